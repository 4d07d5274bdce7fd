// The program of the SDK's documentation page for the token endpoint.
//
// Only three things differ from the page: the base URL, the credentials and the
// ids come from the environment.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/cloudflare/cloudflare-go/v7"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/stream"
)

func main() {
	client := cloudflare.NewClient(
		option.WithBaseURL(os.Getenv("VIDPASS_URL")+"/client/v4"),
		option.WithAPIToken(os.Getenv("VIDPASS_API_TOKEN")),
	)
	token, err := client.Stream.Token.New(
		context.TODO(),
		os.Getenv("VIDPASS_VIDEO_ID"),
		stream.TokenNewParams{
			AccountID: cloudflare.F(os.Getenv("VIDPASS_ACCOUNT_ID")),
		},
	)
	if err != nil {
		panic(err.Error())
	}
	fmt.Printf("%+v\n", token.Token)
}
