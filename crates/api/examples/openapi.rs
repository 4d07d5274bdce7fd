//! Prints the OpenAPI document: `cargo run -p vidpass-api --example openapi > docs/openapi.json`.

fn main() {
    print!("{}", vidpass_api::openapi_json());
}
