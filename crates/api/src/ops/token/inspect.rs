//! Explain what a token does.

use axum::extract::State;
use vidpass_api_types::{
    Envelope, InspectToken, InspectedCheck, InspectedClaims, InspectedRule, Rule, TokenInspection,
};
use vidpass_token::{
    AccessRule, AccountPolicy, Action, Explanation, Finding, Inspection, KnownKey, Matcher, Outcome, Rehearsal,
    SignedClaims, Standing, Terms, TokenId,
};

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::inspect_request::InspectRequest;
use crate::state::Api;
use crate::time::rfc3339;

/// Explain a token
///
/// An extension of vidpass: says what would become of a viewer's request with this token, with every check in the order in
/// which a gate asks, and what would let the viewer in. Nothing is recorded or counted. Only the account's own keys and
/// videos are known here.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/tokens/inspect",
    tag = "Tokens",
    params(("account_id" = String, Path, max_length = 32)),
    request_body = InspectToken,
    responses((status = 200, description = "What the token does", body = Envelope<TokenInspection>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn inspect_token(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Answer<TokenInspection> {
    let request = InspectRequest::parse(body.as_deref(), &api.config, api.now())?;
    let explanation = explain(&api, &caller, &request).await?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, deny.code = explanation.code(),
        "a token was inspected");
    Ok(api.done(shown(explanation)))
}

async fn explain(api: &Api, caller: &Caller, request: &InspectRequest<'_>) -> Result<Explanation, ApiError> {
    let inspection = Inspection::of(request.token);
    let key = match inspection.key_id() {
        Some(id) => caller.store.signing_key(&caller.account, id).await?,
        None => None,
    };
    let key = key.as_ref().map(|key| KnownKey { account: &caller.account, public: &key.public });
    let inspected = inspection.with_key(key);
    let video = match inspected.video() {
        Some(uid) => caller.store.video(&caller.account, uid).await?,
        None => None,
    };
    let owner = caller.store.account(&caller.account).await?.map_or_else(AccountPolicy::default, |owner| owner.policy);
    let video = video.as_ref().map(|video| &video.policy);
    let standing = match inspected.claims() {
        Some(claims) => caller.store.standing(&caller.account, claims, request.at).await?,
        None => Standing::Unknown,
    };
    let terms = Terms { video, account: &owner, limits: &api.config.accepted };
    let rehearsal = request.rehearsed.as_ref();
    let rehearsal = rehearsal.map(|rehearsed| Rehearsal {
        method: rehearsed.method,
        path: rehearsed.path,
        viewer: &rehearsed.viewer,
    });
    Ok(inspected.explain(&terms, standing, rehearsal.as_ref(), request.at))
}

fn shown(explanation: Explanation) -> TokenInspection {
    let code = explanation.code().map(str::to_owned);
    let claims = explanation.claims.as_ref();
    TokenInspection {
        admitted: code.is_none(),
        code,
        verified: claims.is_some(),
        rule: explanation.rule.map(|matched| InspectedRule { index: matched.index, rule: rule(&matched.rule) }),
        valid_from: explanation.valid_from.map(rfc3339),
        valid_until: claims.map(|claims| rfc3339(claims.expires())),
        claims: claims.map(inspected_claims),
        checks: explanation.findings.into_iter().map(check).collect(),
        hints: explanation.hints,
    }
}

fn check(finding: Finding) -> InspectedCheck {
    let (outcome, detail) = match finding.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(failure) => ("failed", Some(failure.to_string())),
        Outcome::Skipped(because) => ("skipped", Some(because.to_owned())),
    };
    InspectedCheck { name: finding.check.name().to_owned(), outcome: outcome.to_owned(), detail }
}

fn inspected_claims(claims: &SignedClaims) -> InspectedClaims {
    InspectedClaims {
        sub: claims.video().to_string(),
        kid: claims.key_id().to_string(),
        exp: claims.expires().0,
        nbf: claims.not_before().map(|time| time.0),
        iat: claims.issued_at().map(|time| time.0),
        jti: claims.token_id().map(TokenId::to_string),
        downloadable: claims.downloadable(),
        access_rules: claims.access_rules().iter().map(rule).collect(),
    }
}

fn rule(rule: &AccessRule) -> Rule {
    let action = match rule.action {
        Action::Allow => "allow",
        Action::Block => "block",
    };
    let (kind, ip, country) = match &rule.matcher {
        Matcher::Any => ("any", None, None),
        Matcher::Ip(networks) => ("ip.src", Some(texts(networks)), None),
        Matcher::Country(countries) => ("ip.geoip.country", None, Some(texts(countries))),
    };
    Rule { r#type: kind.to_owned(), action: action.to_owned(), ip, country }
}

fn texts<T: ToString>(entries: &[T]) -> Vec<String> {
    entries.iter().map(ToString::to_string).collect()
}
