// Every call that vidpass shares with Cloudflare Stream's signed URLs, made with the official Go
// SDK. Prints one line per check; exits 1 at the first that fails.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/stream"
)

var (
	siteURL = os.Getenv("VIDPASS_URL")
	account = cloudflare.F(os.Getenv("VIDPASS_ACCOUNT_ID"))
	video   = os.Getenv("VIDPASS_VIDEO_ID")
	ctx     = context.Background()
	checks  int
)

func main() {
	client := newClient(os.Getenv("VIDPASS_API_TOKEN"))

	key, err := client.Stream.Keys.New(ctx, stream.KeyNewParams{AccountID: account, Body: map[string]any{}})
	check("create a key", err, nil)
	check("the key has an id, a pem, a jwk and a date",
		len(key.ID) == 32 && key.Pem != "" && key.Jwk != "" && time.Since(key.Created).Abs() < time.Minute, true)
	check("the key is listed", listed(client, key.ID), true)

	plain := issue(client, "no options", stream.TokenNewParams{})
	full := issue(client, "every option", everyOption())
	own := issue(client, "own key", stream.TokenNewParams{ID: cloudflare.F(key.ID), Pem: cloudflare.F(key.Pem)})

	_, err = client.Stream.Downloads.New(ctx, video, stream.DownloadNewParams{AccountID: account})
	check("offer the MP4 for download", err, nil)
	check("a downloadable token opens the MP4", gate(full, "downloads/default.mp4"), "206")
	check("a plain token does not", gate(plain, "downloads/default.mp4"), "403 download_not_allowed")

	refused(client, "exp too far", "/exp", stream.TokenNewParams{
		Exp: cloudflare.F(time.Now().Add(48 * time.Hour).Unix()),
	})
	refused(client, "unknown country", "/accessRules/0/country/0", stream.TokenNewParams{
		AccessRules: cloudflare.F([]stream.TokenNewParamsAccessRule{{
			Type:    cloudflare.F(stream.TokenNewParamsAccessRulesTypeIPGeoipCountry),
			Action:  cloudflare.F(stream.TokenNewParamsAccessRulesActionBlock),
			Country: cloudflare.F([]string{"USA"}),
		}}),
	})
	_, err = newClient("wrong").Stream.Token.New(ctx, video, stream.TokenNewParams{AccountID: account})
	var apiError *cloudflare.Error
	check("wrong credentials are a typed error", errors.As(err, &apiError) && apiError.StatusCode == 401, true)

	_, err = client.Stream.Keys.Delete(ctx, key.ID, stream.KeyDeleteParams{AccountID: account})
	check("delete the key", err, nil)
	check("the key is no longer listed", listed(client, key.ID), false)
	check("its token is refused", gate(own, "manifest/video.m3u8"), "401 key_unknown")
	check("the other tokens still play", gate(plain, "manifest/video.m3u8"), "200")
	fmt.Println("Go SDK:", checks, "checks passed")
}

func newClient(apiToken string) *cloudflare.Client {
	return cloudflare.NewClient(option.WithBaseURL(siteURL+"/client/v4"), option.WithAPIToken(apiToken))
}

func everyOption() stream.TokenNewParams {
	rule := func(kind stream.TokenNewParamsAccessRulesType, action stream.TokenNewParamsAccessRulesAction) stream.TokenNewParamsAccessRule {
		return stream.TokenNewParamsAccessRule{Type: cloudflare.F(kind), Action: cloudflare.F(action)}
	}
	country := rule(stream.TokenNewParamsAccessRulesTypeIPGeoipCountry, stream.TokenNewParamsAccessRulesActionBlock)
	country.Country = cloudflare.F([]string{"US", "MX"})
	address := rule(stream.TokenNewParamsAccessRulesTypeIPSrc, stream.TokenNewParamsAccessRulesActionAllow)
	address.IP = cloudflare.F([]string{"127.0.0.0/8", "::1"})
	return stream.TokenNewParams{
		AccessRules: cloudflare.F([]stream.TokenNewParamsAccessRule{
			country, address, rule(stream.TokenNewParamsAccessRulesTypeAny, stream.TokenNewParamsAccessRulesActionBlock),
		}),
		Downloadable: cloudflare.F(true),
		Exp:          cloudflare.F(time.Now().Add(2 * time.Hour).Unix()),
		Flags:        cloudflare.F(stream.TokenNewParamsFlags{Original: cloudflare.F(true)}),
		Nbf:          cloudflare.F(time.Now().Add(-time.Minute).Unix()),
	}
}

// issue asks for a token and plays it.
func issue(client *cloudflare.Client, what string, params stream.TokenNewParams) string {
	params.AccountID = account
	token, err := client.Stream.Token.New(ctx, video, params)
	check("issue a token with "+what, err, nil)
	check("it plays", gate(token.Token, "manifest/video.m3u8"), "200")
	return token.Token
}

// refused expects one error of code 10005 that names what and points at the field.
func refused(client *cloudflare.Client, what, pointer string, params stream.TokenNewParams) {
	params.AccountID = account
	_, err := client.Stream.Token.New(ctx, video, params)
	var apiError *cloudflare.Error
	if !errors.As(err, &apiError) || len(apiError.Errors) != 1 {
		fail(what+" is a typed error", err, "one *cloudflare.Error")
	}
	first := apiError.Errors[0]
	check(what+" is a typed error", fmt.Sprintf("%d %d %s", apiError.StatusCode, first.Code, first.Source.Pointer), "400 10005 "+pointer)
	check(what+" comes with our message ("+first.Message+")", first.Message != "", true)
}

func listed(client *cloudflare.Client, id string) bool {
	pages := client.Stream.Keys.GetAutoPaging(ctx, stream.KeyGetParams{AccountID: account})
	for pages.Next() {
		if pages.Current().ID == id {
			return true
		}
	}
	check("list the keys", pages.Err(), nil)
	return false
}

// gate asks for the first byte of a file: "200", "206", or a status with the denial's code.
func gate(token, path string) string {
	request, err := http.NewRequest(http.MethodGet, siteURL+"/"+token+"/"+path, nil)
	if err != nil {
		fail("a URL for the gate", err, nil)
	}
	if strings.HasSuffix(path, ".mp4") {
		request.Header.Set("Range", "bytes=0-0")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fail("an answer from the gate", "none", "an answer")
	}
	defer response.Body.Close()
	var denial struct{ Code string }
	if response.StatusCode >= 400 && json.NewDecoder(response.Body).Decode(&denial) != nil {
		fail("a denial in JSON", response.Header.Get("Content-Type"), "application/json")
	}
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", denial.Code))
}

func check(what string, actual, expected any) {
	if actual != expected {
		fail(what, actual, expected)
	}
	checks++
	fmt.Println("ok  ", what)
}

func fail(what string, actual, expected any) {
	fmt.Fprintf(os.Stderr, "FAIL %s: got %v, expected %v\n", what, actual, expected)
	os.Exit(1)
}
