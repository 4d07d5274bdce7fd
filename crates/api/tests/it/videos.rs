//! The catalogue: videos and their downloads.

use insta::assert_snapshot;
use serde_json::{Value, json};
use vidpass_token::{AccountId, UnixTime, VideoId};

use crate::site::{ACCOUNT, Answer, NOW, Site, VIDEO};

#[tokio::test]
async fn a_video_is_registered_private_and_shown_whole() {
    let site = Site::start().await;
    let registered = site.put(&format!("/stream/{VIDEO}"), "").await;
    assert_snapshot!(serde_json::to_string_pretty(&registered.envelope()).unwrap(), @r#"
    {
      "result": {
        "uid": "ea95132c15732412d22c1476fa83f27a",
        "creator": null,
        "thumbnail": "https://vidpass.test/ea95132c15732412d22c1476fa83f27a/thumbnails/thumbnail.jpg",
        "thumbnailTimestampPct": 0.0,
        "readyToStream": true,
        "status": {
          "state": "ready"
        },
        "meta": {},
        "created": "2027-01-15T08:00:00Z",
        "modified": "2027-01-15T08:00:00Z",
        "uploaded": "2027-01-15T08:00:00Z",
        "scheduledDeletion": null,
        "preview": "https://vidpass.test/ea95132c15732412d22c1476fa83f27a/watch",
        "allowedOrigins": [],
        "requireSignedURLs": true,
        "playback": {
          "hls": "https://vidpass.test/ea95132c15732412d22c1476fa83f27a/manifest/video.m3u8",
          "dash": "https://vidpass.test/ea95132c15732412d22c1476fa83f27a/manifest/video.mpd"
        }
      },
      "success": true,
      "errors": [],
      "messages": []
    }
    "#);
    assert_eq!(site.get(&format!("/stream/{VIDEO}")).await.body, registered.body);
}

#[tokio::test]
async fn a_registration_may_be_sent_again_and_changes_nothing() {
    let site = Site::start().await;
    let body = r#"{"meta":{"name":"a"},"requireSignedURLs":false,"scheduledDeletion":"2028-01-01T00:00:00Z"}"#;
    let first = site.put(&format!("/stream/{VIDEO}"), body).await;
    site.set_now(NOW.0 + 60);
    assert_eq!(site.put(&format!("/stream/{VIDEO}"), body).await.body, first.body);
    assert_snapshot!(site.put(&format!("/stream/{VIDEO}"), "{}").await.refusal(), @"
    400
    10005 video_uid_taken  | the id `ea95132c15732412d22c1476fa83f27a` is taken; to change a video of yours, use POST
    ");
    assert_eq!(site.get(&format!("/stream/{VIDEO}")).await.body, first.body);
}

#[tokio::test]
async fn no_video_takes_the_path_of_the_keys() {
    let site = Site::start().await;
    // `/stream/keys` has no PUT of its own; a path that only decodes to it must not get around that.
    assert_eq!(site.put("/stream/%6beys", "{}").await.reasons(), ["video_uid_taken"]);
}

#[tokio::test]
async fn the_id_of_another_accounts_video_is_taken() {
    let site = Site::start().await;
    site.other_account("other").await;
    let other: AccountId = "other".parse().unwrap();
    let uid: VideoId = VIDEO.parse().unwrap();
    site.store.register_video(&other, vidpass_store::NewVideo::private(Some(uid.clone())), NOW).await.unwrap();
    let path = format!("/stream/{VIDEO}");
    assert_eq!(site.put(&path, "{}").await.reasons(), ["video_uid_taken"]);
    for answer in [site.get(&path).await, site.post(&path, "{}").await, site.delete(&path).await] {
        assert_eq!((answer.status.as_u16(), answer.reasons()), (404, vec!["video_unknown".to_owned()]));
    }
    for end in ["downloads", "embed"] {
        assert_eq!(site.get(&format!("{path}/{end}")).await.reasons(), ["video_unknown"]);
    }
    assert_eq!(site.post(&format!("{path}/token"), "{}").await.reasons(), ["video_not_registered"]);
    assert!(site.store.video(&other, &uid).await.unwrap().is_some());
}

#[tokio::test]
async fn an_edit_changes_what_it_names() {
    let site = Site::with_video().await;
    site.set_now(NOW.0 + 60);
    let body = json!({
        "allowedOrigins": ["example.com", "*.example.org", "localhost:3000"],
        "creator": "creator-id_abcde12345",
        "maxDurationSeconds": 1,
        "meta": { "name": "video12345.mp4", "nested": { "list": [1, 2.5, null, true] } },
        "publicDetails": { "title": "x" },
        "requireSignedURLs": false,
        "scheduledDeletion": "2027-02-15T08:00:00Z",
        "thumbnailTimestampPct": 0.529241,
        "uploadExpiry": "2014-01-01T05:20:00Z",
    });
    let path = format!("/stream/{VIDEO}");
    let edited = site.post(&path, &body.to_string()).await;
    assert_eq!(edited.reasons(), ["member_not_kept", "member_not_kept", "member_not_kept"]);
    let video = edited.result();
    for kept in ["allowedOrigins", "creator", "meta", "requireSignedURLs", "scheduledDeletion", "thumbnailTimestampPct"]
    {
        assert_eq!(video[kept], body[kept], "{kept}");
    }
    assert_eq!(
        (&video["created"], &video["modified"]),
        (&json!("2027-01-15T08:00:00Z"), &json!("2027-01-15T08:01:00Z"))
    );

    let cleared = site.post(&path, r#"{"scheduledDeletion":null,"creator":null,"allowedOrigins":[]}"#).await.result();
    assert_eq!(cleared["scheduledDeletion"], Value::Null);
    assert_eq!(cleared["creator"], Value::Null);
    assert_eq!(cleared["allowedOrigins"], json!([]));
    assert_eq!(cleared["meta"], body["meta"]);
    assert_eq!(site.post(&path, "").await.result()["meta"], body["meta"]);
}

#[tokio::test]
async fn an_edit_is_refused_as_a_whole() {
    let site = Site::with_video().await;
    let path = format!("/stream/{VIDEO}");
    let before = site.get(&path).await.body;
    let body = json!({
        "allowedOrigins": ["https://example.com", 7],
        "creator": "c".repeat(65),
        "meta": "name",
        "requiredSignedURLs": false,
        "requireSignedURLs": null,
        "scheduledDeletion": "2027-01-15T08:00:00Z",
        "thumbnailTimestampPct": 1.5,
    });
    let answer = site.post(&path, &body.to_string()).await;
    let messages: Vec<String> = answer.envelope()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| format!("{} {}", error["reason"].as_str().unwrap(), error["message"].as_str().unwrap()))
        .collect();
    assert_snapshot!(messages.join("\n"), @r#"
    member_unknown requiredSignedURLs: there is no such member; did you mean `requireSignedURLs`?
    member_wrong_type requireSignedURLs: must be true or false, not null
    origin_invalid allowedOrigins/0: `https://example.com` is not a host (such as `example.com`, `*.example.com` or `localhost:3000`; no scheme, no path)
    member_wrong_type allowedOrigins/1: must be a string, not a number
    member_wrong_type meta: must be an object, not a string
    text_too_long creator: has 65 characters, more than 64
    deletion_in_past scheduledDeletion: must be in the future
    value_out_of_range thumbnailTimestampPct: must be from 0 to 1
    "#);
    assert_eq!(site.get(&path).await.body, before);
    assert_eq!(
        site.post(&path, r#"{"scheduledDeletion":"soon","creator":"a\u0000"}"#).await.reasons(),
        ["text_invalid", "time_invalid"]
    );
}

#[tokio::test]
async fn what_is_kept_of_a_video_is_small() {
    let site = Site::start().await;
    let path = format!("/stream/{VIDEO}");
    let meta = |length: usize| json!({ "meta": { "name": "n".repeat(length - r#"{"name":""}"#.len()) } }).to_string();
    let origins = |count| {
        let origins: Vec<String> = (0..count).map(|n| format!("{n}.example")).collect();
        json!({ "allowedOrigins": origins }).to_string()
    };
    let creator = |length| json!({ "creator": "é".repeat(length) }).to_string();
    let too_much = [(meta(8193), "/meta"), (origins(101), "/allowedOrigins"), (creator(65), "/creator")];
    for (body, pointer) in &too_much {
        let answer = site.put(&path, body).await;
        assert_eq!(
            (answer.status, &answer.envelope()["errors"][0]["source"]["pointer"]),
            (400.try_into().unwrap(), &json!(pointer))
        );
    }
    assert_eq!(site.put(&path, &meta(8192)).await.status, 200);
    for body in [origins(100), creator(64)] {
        assert_eq!(site.post(&path, &body).await.status, 200);
    }
    let refusals =
        [&site.post(&path, &too_much[0].0).await, &site.post(&path, &too_much[1].0).await].map(Answer::refusal);
    assert_snapshot!(refusals.join("\n"), @"
    400
    10005 meta_too_large /meta | meta: has 8193 bytes as JSON, more than 8192
    400
    10005 origins_too_many /allowedOrigins | allowedOrigins: has 101 entries, more than 100
    ");
}

#[tokio::test]
async fn a_video_is_deleted_and_deleted_again() {
    let site = Site::with_video().await;
    let path = format!("/stream/{VIDEO}");
    let deleted = site.delete(&path).await;
    assert_eq!(deleted.exact(), r#"200 {"result":"","success":true,"errors":[],"messages":[]}"#);
    assert_eq!(site.delete(&path).await.status, 200);
    assert_eq!(
        site.get(&path).await.exact(),
        r#"404 {"result":null,"success":false,"errors":[{"code":10003,"message":"the account has no such video","documentation_url":"https://vidpass.test/docs/errors#video_unknown","reason":"video_unknown"}],"messages":[]}"#
    );
    assert_eq!(site.delete("/stream/never").await.reasons(), ["video_unknown"]);
    assert_eq!(site.put(&path, "{}").await.status, 200, "the account may register it again");
}

#[tokio::test]
async fn a_list_holds_what_is_asked_for() {
    let site = Site::start().await;
    for (uid, at, body) in [
        ("one", 0, r#"{"meta":{"name":"Holiday.mp4"},"creator":"ann"}"#),
        ("two", 10, r#"{"meta":{"name":"My holiday.mp4"}}"#),
        ("three", 20, r#"{"meta":{"name":"work"},"creator":"bob"}"#),
    ] {
        site.set_now(NOW.0 + at);
        site.put(&format!("/stream/{uid}"), body).await.result();
    }
    for (query, expected) in [
        ("", "three two one"),
        ("asc=true", "one two three"),
        ("limit=2", "three two"),
        ("search=HOLIDAY", "two one"),
        ("search=holiday&limit=1", "two"),
        ("creator=ann", "one"),
        ("after=2027-01-15T08:00:05Z", "three two"),
        ("start=2027-01-15T08:00:00.000Z&end=2027-01-15T08:00:20Z", "two"),
        ("before=2027-01-15T08:00:20.5Z", "three two one"),
        ("id=two", "two"),
        ("id=four", ""),
        ("id=no%20id", ""),
        ("id=one&creator=bob", ""),
        ("video_name=Holiday.mp4", "one"),
        ("name=My%20holiday.mp4&limit=1", "two"),
        ("status=ready&type=vod", "three two one"),
        ("status=inprogress", ""),
        ("type=live", ""),
        ("live_input_id=x", ""),
        ("search=%25", ""),
        ("after=2027-01-15T08:00:15Z&start=2027-01-15T08:00:05Z", "three"),
        ("before=2027-01-15T08:00:05Z&end=2027-01-15T08:00:15Z", "one"),
        ("name=work&video_name=work", "three"),
        ("name=work&video_name=Holiday.mp4", ""),
    ] {
        let answer = site.get(&format!("/stream?{query}")).await;
        let uids: Vec<String> =
            answer.result().as_array().unwrap().iter().map(|video| video["uid"].as_str().unwrap().to_owned()).collect();
        assert_eq!(uids.join(" "), expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_is_checked() {
    let site = Site::start().await;
    assert_snapshot!(site.get("/stream?limit=1001").await.refusal(), @"
    400
    10005 query_invalid  | results are limited to 1000 entries per request; `limit` must be from 1 to 1000
    ");
    assert_snapshot!(site.get("/stream?serach=x&include_counts=true").await.exact(), @r#"200 {"result":[],"success":true,"errors":[],"messages":[{"code":10100,"message":"the parameter `serach` of the query has no effect; did you mean `search`?","documentation_url":"https://vidpass.test/docs/errors#query_ignored","reason":"query_ignored"},{"code":10100,"message":"the parameter `include_counts` of the query has no effect","documentation_url":"https://vidpass.test/docs/errors#query_ignored","reason":"query_ignored"}]}"#);
    for query in [
        "limit=abc",
        "limit=0",
        "limit=-1",
        "limit=",
        "limit=%201",
        "asc=yes",
        "start=yesterday",
        "search=%00",
        "creator=%00",
        "name=%00",
        "limit=1&limit=1",
        "id=one&id=two",
    ] {
        let answer = site.get(&format!("/stream?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.reasons()), (400, vec!["query_invalid".to_owned()]), "{query}");
    }
    assert_snapshot!(site.get("/stream?asc=true&asc=false").await.refusal(), @"
    400
    10005 query_invalid  | the parameter `asc` of the query must not come twice
    ");
    assert_eq!(site.get("/stream?limit=0&asc=1").await.reasons(), ["query_invalid", "query_invalid"]);
}

#[tokio::test]
async fn an_old_video_is_found_by_its_id() {
    let site = Site::start().await;
    let account: AccountId = ACCOUNT.parse().unwrap();
    for n in 0..1001 {
        let new = vidpass_store::NewVideo::private(Some(format!("video-{n}").parse().unwrap()));
        site.store.register_video(&account, new, UnixTime(NOW.0 + n)).await.unwrap();
    }
    assert_eq!(site.get("/stream").await.result().as_array().unwrap().len(), 1000);
    let found = site.get("/stream?id=video-0").await.result();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["uid"], "video-0");
}

#[tokio::test]
async fn a_text_to_look_for_is_short() {
    let site = Site::start().await;
    for name in ["search", "creator", "id", "video_name", "name"] {
        for (length, status) in [(256, 200), (257, 400), (26_000, 400)] {
            let answer = site.get(&format!("/stream?{name}={}", "_".repeat(length))).await;
            assert_eq!(answer.status, status, "{name} {length}");
            let longer = format!("the parameter `{name}` of the query must have at most 256 characters");
            assert_eq!(answer.body.contains(&longer), status == 400, "{}", answer.body);
        }
    }
    assert_eq!(site.get(&format!("/stream?search={}", "%F0%9F%8E%AC".repeat(256))).await.result(), json!([]));
}

#[tokio::test]
async fn downloads_are_offered_and_withdrawn() {
    let site = Site::with_video().await;
    let path = format!("/stream/{VIDEO}/downloads");
    let none = r#"200 {"result":{},"success":true,"errors":[],"messages":[]}"#;
    let offered = format!(
        r#"200 {{"result":{{"default":{{"status":"ready","url":"https://vidpass.test/{VIDEO}/downloads/default.mp4","percentComplete":100.0}}}},"success":true,"errors":[],"messages":[]}}"#
    );
    assert_eq!(site.get(&path).await.exact(), none);
    assert_eq!(site.post(&path, "{}").await.exact(), offered);
    assert_eq!(site.get(&path).await.exact(), offered);
    let video = site.store.video(&ACCOUNT.parse().unwrap(), &VIDEO.parse().unwrap()).await.unwrap().unwrap();
    assert!(video.policy.downloads);
    assert_eq!(site.delete(&path).await.result(), "Ok");
    assert_eq!(site.get(&path).await.exact(), none);
    for answer in [
        site.get("/stream/x/downloads").await,
        site.post("/stream/x/downloads", "").await,
        site.delete("/stream/x/downloads").await,
    ] {
        assert_eq!(answer.reasons(), ["video_unknown"]);
    }
}

#[tokio::test]
async fn the_embed_code_is_plain_html() {
    let site = Site::with_video().await;
    let answer = site.get(&format!("/stream/{VIDEO}/embed")).await;
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert_snapshot!(answer.body, @r#"<iframe src="https://vidpass.test/ea95132c15732412d22c1476fa83f27a/iframe" style="border: none" allow="autoplay; encrypted-media; fullscreen; picture-in-picture" allowfullscreen></iframe>"#);
    assert_eq!(site.get("/stream/x/embed").await.reasons(), ["video_unknown"]);
}
