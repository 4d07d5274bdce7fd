// The token endpoint on net/http and golang-jwt: issue-go PORT KEY.pem KID
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type answer struct {
	Success bool              `json:"success"`
	Result  map[string]string `json:"result"`
}

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	if err != nil {
		log.Fatal(err)
	}
	kid := os.Args[3]
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			AccessRules json.RawMessage `json:"accessRules"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		token, err := issue(key, kid, asked.AccessRules)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		body, _ := json.Marshal(answer{true, map[string]string{"token": token}})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})))
}

func issue(key *rsa.PrivateKey, kid string, rules json.RawMessage) (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	now := time.Now().Unix()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"sub": "bench-video", "kid": kid, "jti": hex.EncodeToString(id),
		"iat": now, "nbf": now - 3600, "exp": now + 3600, "accessRules": rules,
	})
	token.Header["kid"] = kid
	return token.SignedString(key)
}
