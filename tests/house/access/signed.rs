//! Tokens that an `OpenID` provider signs.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

use super::{AFAR, bearer, get, post, socket};
use crate::harness::{Geocast, Screen, radio::now_seconds};

const ISSUER: &str = "https://id.example/realms/mesh";

/// A provider with a key of each kind.
struct Provider {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    random: SystemRandom,
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/oidc/rsa.pem");
        let rsa = PrivatePkcs8KeyDer::from_pem_file(file).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(algorithm, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            random,
        }
    }

    fn keys(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        let rsa = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        json!({ "keys": [
            { "kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256",
              "n": BASE64.encode(&rsa.n),
              "e": BASE64.encode(&rsa.e) },
            { "kty": "EC", "kid": "e", "crv": "P-256",
              "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]) },
            { "kty": "OKP", "kid": "d", "crv": "Ed25519",
              "x": BASE64.encode(self.ed.public_key().as_ref()) },
            { "kty": "oct", "kid": "o", "k": BASE64.encode("shared") },
        ] })
    }

    /// A token with this header and these claims, signed by the algorithm that is named last.
    fn sign(&self, header: &Value, claims: &Value, by: &str) -> String {
        let part = |part: &Value| BASE64.encode(part.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let text = signed.as_bytes();
        let signature = match by {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public_key().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, text, &mut signature).unwrap();
                signature
            }
            "ES256" => self.ec.sign(&self.random, text).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(text).as_ref().to_vec(),
            "HS256" => {
                // The public key as if it were a shared one.
                let key = self.ed.public_key().as_ref();
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

fn claims(role: &str) -> Value {
    json!({ "iss": ISSUER, "aud": ["other", "geocast"], "sub": "anna", "exp": now_seconds() + 600,
            "realm_access": { "roles": ["offline", role] } })
}

async fn geocast(folder: &Path, keys: &str) -> Geocast {
    let settings = [
        "--public",
        "off",
        "--oidc-issuer",
        ISSUER,
        "--oidc-audience",
        "geocast",
        "--oidc-jwks",
        keys,
        "--oidc-role-claim",
        "realm_access.roles",
    ];
    Geocast::with(folder, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_provider_signed_is_believed_and_no_other() {
    let folder = TempDir::new().unwrap();
    let provider = Provider::new();
    let file = folder.path().join("keys.json");
    fs::write(&file, provider.keys().to_string()).unwrap();
    let geocast = geocast(folder.path(), file.to_str().unwrap()).await;
    let ask = async |token: String| {
        get(&geocast, "/api/nodes", &[AFAR, ("authorization", &bearer(&token))]).await.status
    };
    assert_eq!(get(&geocast, "/api/nodes", &[]).await.status, 401, "nobody is local any more");
    for (kid, alg) in [("r", "RS256"), ("e", "ES256"), ("d", "EdDSA")] {
        let token = provider.sign(&json!({ "alg": alg, "kid": kid }), &claims("viewer"), alg);
        assert_eq!(ask(token.clone()).await, 200, "{alg}");
        let (rest, last) = token.split_at(token.len() - 20);
        let flipped = if last.starts_with('A') { "B" } else { "A" };
        assert_eq!(ask(format!("{rest}{flipped}{}", &last[1..])).await, 401, "{alg}");
    }
    let unnamed = provider.sign(&json!({ "alg": "EdDSA" }), &claims("viewer"), "EdDSA");
    assert_eq!(ask(unnamed).await, 200, "a token need not name its key");

    let headers = [
        (json!({ "alg": "none" }), "none"),
        (json!({ "alg": "none", "kid": "d" }), "none"),
        (json!({ "alg": "None", "kid": "d" }), "EdDSA"),
        (json!({ "alg": "HS256", "kid": "d" }), "HS256"),
        (json!({ "alg": "HS256", "kid": "o" }), "HS256"),
        (json!({ "alg": "RS256", "kid": "d" }), "EdDSA"),
        (json!({ "alg": "EdDSA", "kid": "r" }), "EdDSA"),
        (json!({ "alg": "EdDSA", "kid": "x" }), "EdDSA"),
        (json!({ "alg": "EdDSA", "kid": "d", "crit": ["exp"] }), "EdDSA"),
        (json!({ "kid": "d" }), "EdDSA"),
    ];
    for (header, by) in headers {
        let token = provider.sign(&header, &claims("viewer"), by);
        assert_eq!(ask(token).await, 401, "{header}");
    }
    let good = provider.sign(&json!({ "alg": "EdDSA", "kid": "d" }), &claims("viewer"), "EdDSA");
    let parts: Vec<_> = good.split('.').collect();
    let admin = BASE64.encode(claims("admin").to_string());
    for token in [
        format!("{}.{admin}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.{}", parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        "...".to_owned(),
    ] {
        assert_eq!(ask(token).await, 401);
    }
    assert!(!geocast.log().contains(parts[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_brings_no_key_of_its_own_and_is_no_longer_than_a_token_is() {
    let folder = TempDir::new().unwrap();
    let (provider, forger) = (Provider::new(), Provider::new());
    let file = folder.path().join("keys.json");
    fs::write(&file, provider.keys().to_string()).unwrap();
    let geocast = geocast(folder.path(), file.to_str().unwrap()).await;
    let sign_in = async |token: String| {
        post(&geocast, "/api/login", &[AFAR], json!({ "token": token })).await.status
    };
    let plain = json!({ "alg": "EdDSA", "kid": "d" });
    let mut brought = plain.clone();
    brought["jwk"] = forger.keys()["keys"][2].clone();
    brought["jku"] = json!("http://127.0.0.1:1/keys");
    for (header, by) in [
        (plain.clone(), "EdDSA"),
        (json!({ "alg": "ES256", "kid": "e" }), "ES256"),
        (json!({ "alg": "EdDSA" }), "EdDSA"),
        (brought, "EdDSA"),
    ] {
        let token = forger.sign(&header, &claims("admin"), by);
        assert_eq!(sign_in(token).await, 401, "{header}");
    }
    let mut long = claims("admin");
    long["padding"] = json!("x".repeat(10_000));
    assert_eq!(sign_in(provider.sign(&plain, &long, "EdDSA")).await, 200);
    long["padding"] = json!("x".repeat(20_000));
    assert_eq!(sign_in(provider.sign(&plain, &long, "EdDSA")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_claims_decides_who_it_lets_in() {
    let folder = TempDir::new().unwrap();
    let provider = Provider::new();
    let file = folder.path().join("keys.json");
    fs::write(&file, provider.keys().to_string()).unwrap();
    let geocast = geocast(folder.path(), file.to_str().unwrap()).await;
    let sign = |claims: &Value| {
        let header = json!({ "alg": "EdDSA", "kid": "d" });
        bearer(&provider.sign(&header, claims, "EdDSA"))
    };
    let now = now_seconds();
    for (role, audit) in
        [("viewer", 403), ("operator", 403), ("administrator", 200), ("admin", 200)]
    {
        let said = sign(&claims(role));
        assert_eq!(get(&geocast, "/api/audit", &[("authorization", &said)]).await.status, audit);
    }
    for (name, value) in [
        ("iss", json!("https://id.example/realms/mesh/")),
        ("iss", json!(null)),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!("geocast2")),
        ("exp", json!(now - 120)),
        ("exp", json!(null)),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("nbf", json!(now + 300)),
        ("nbf", json!("x")),
        ("realm_access", json!({ "roles": ["root", "anonymous"] })),
        ("realm_access", json!("admin")),
    ] {
        let mut wrong = claims("viewer");
        wrong[name] = value.clone();
        let said = sign(&wrong);
        let answer = get(&geocast, "/api/nodes", &[AFAR, ("authorization", &said)]).await;
        assert_eq!(answer.status, 401, "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!("geocast")),
        ("exp", json!(now - 10)),
        ("nbf", json!(now + 10)),
        ("realm_access", json!({ "roles": "viewer" })),
    ] {
        let mut right = claims("viewer");
        right[name] = value.clone();
        let answer = get(&geocast, "/api/nodes", &[("authorization", &sign(&right))]).await;
        assert_eq!(answer.status, 200, "{name}: {value}");
    }
    // A session and a socket end with the token.
    let mut short = claims("admin");
    short["exp"] = json!(now_seconds() - 55);
    let said = sign(&short);
    let mut screen = Screen::ask(socket(&geocast, "", &[("authorization", &said)])).await;
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    let token = sign(&claims("operator"));
    let token = json!({ "token": token.strip_prefix("Bearer ").unwrap() });
    let login = post(&geocast, "/api/login", &[AFAR], token).await;
    assert_eq!(
        (&login.body["role"], &login.body["name"]),
        (&json!("operator"), &json!("subject anna"))
    );
}

/// Serves keys over HTTP, and counts how often.
fn serve_keys(keys: &Value) -> (String, Arc<AtomicUsize>) {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys?a=b", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, body) = (Arc::clone(&count), keys.to_string());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut head = [0; 4096];
            let read = socket.read(&mut head).unwrap();
            assert!(head[..read].starts_with(b"GET /keys?a=b HTTP/1.1\r\n"));
            counted.fetch_add(1, Relaxed);
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_when_needed_and_not_for_every_name_that_somebody_makes_up() {
    let folder = TempDir::new().unwrap();
    let provider = Provider::new();
    let (url, count) = serve_keys(&provider.keys());
    let geocast = geocast(folder.path(), &url).await;
    assert_eq!(count.load(Relaxed), 0, "nobody has asked yet");
    for made_up in 0..10 {
        let header = json!({ "alg": "EdDSA", "kid": format!("made up {made_up}") });
        let said = bearer(&provider.sign(&header, &claims("admin"), "EdDSA"));
        let answer = get(&geocast, "/api/nodes", &[AFAR, ("authorization", &said)]).await;
        assert_eq!(answer.status, 401);
    }
    let header = json!({ "alg": "RS256", "kid": "r" });
    let said = bearer(&provider.sign(&header, &claims("viewer"), "RS256"));
    assert_eq!(get(&geocast, "/api/nodes", &[("authorization", &said)]).await.status, 200);
    assert_eq!(count.load(Relaxed), 1);
}

#[test]
fn keys_that_could_be_anybody_s_are_refused_at_the_start() {
    for keys in ["http://id.example/keys", "ftp://id.example/keys", "https://"] {
        let arguments =
            ["demo", "--oidc-issuer", ISSUER, "--oidc-audience", "geocast", "--oidc-jwks", keys];
        let output = crate::harness::command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{keys}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("--oidc-jwks must be"));
    }
}
