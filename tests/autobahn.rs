//! Autobahn's suite for the WebSocket protocol, against an echo over the layers that the live
//! conversation has. What the results mean stands in `docs/testing.md`.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use serde::Deserialize;
use serde_json::json;
use tokio::{net::TcpListener, task::spawn_blocking};

const AGENT: &str = "geocast";

/// Of compression, which is not offered.
const NOT_OFFERED: [&str; 2] = ["12.*", "13.*"];
/// How many cases there are without those.
const CASES: usize = 301;
/// Large messages, which cost the suite a minute.
const LARGE: &str = "9.*";
const LARGE_CASES: usize = 54;

/// A goodbye overtakes the answers that wait to be written, as that to the message before: also in
/// cases 3.4, 4.1.5 and 4.2.5, which send one octet after the other, where a busy machine hands them
/// over together. And text that is not UTF-8 ends the connection at the end of its frame, not at the
/// byte.
const NON_STRICT: [&str; 12] = [
    "3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15", "6.4.3",
    "6.4.4",
];
/// What may follow a goodbye, and close codes that no standard names.
const INFORMATIONAL: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// What the suite found out about one case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    behavior: String,
    behavior_close: String,
}

impl Found {
    /// Whether it is as the standard says, or else known.
    fn is_good(&self, case: &str) -> bool {
        let is_good = match &*self.behavior {
            "OK" => true,
            "NON-STRICT" => NON_STRICT.contains(&case),
            "INFORMATIONAL" => INFORMATIONAL.contains(&case),
            _ => false,
        };
        is_good && matches!(&*self.behavior_close, "OK" | "INFORMATIONAL")
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/autobahn installs the suite and runs this"]
async fn the_suite_finds_nothing_that_is_not_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let reports = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn");
    fs::create_dir_all(&reports).unwrap();
    let spec = reports.join("spec.json");
    let is_short = env::var("AUTOBAHN_CASES").is_ok_and(|cases| cases == "short");
    let large = is_short.then_some(LARGE);
    let wanted = json!({
        "outdir": reports,
        "servers": [{ "agent": AGENT, "url": url }],
        "cases": ["*"],
        "exclude-cases": NOT_OFFERED.into_iter().chain(large).collect::<Vec<_>>(),
        "exclude-agent-cases": {},
    });
    fs::write(&spec, wanted.to_string()).unwrap();
    let _ = fs::remove_file(reports.join("index.json"));

    let wstest = env::var_os("WSTEST").expect("scripts/autobahn says where wstest is");
    let mut suite = Command::new(wstest);
    suite.args(["--mode", "fuzzingclient", "--spec"]).arg(spec).current_dir(&reports);
    let output = tokio::select! {
        output = spawn_blocking(move || suite.output()) => output.unwrap().unwrap(),
        () = geocast::http::serve_echo(listener) => panic!("the echo has stopped"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));

    let index = fs::read(reports.join("index.json")).expect("the suite wrote its report");
    let mut found: BTreeMap<String, BTreeMap<String, Found>> =
        serde_json::from_slice(&index).unwrap();
    let mut found = found.remove(AGENT).unwrap();
    assert_eq!(found.len(), if is_short { CASES - LARGE_CASES } else { CASES }, "cases");
    found.retain(|case, found| !found.is_good(case));
    assert!(found.is_empty(), "{found:#?}\nThe reports are in {}", reports.display());
}
