//! Three verifiers that share no code, on the same packs: `driftpack verify`, `verify_pack.py`, and the page in a real browser.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bundle::keys::{PublicKey, PublicKeys};
use bundle::testing::damage::{Case, corpus};
use bundle::testing::sample;
use bundle::verify::{Options, Outcome, verify};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::app::{App, Options as Settings};
use tests::setting;

/// Mutations beyond the named ones; the seed is fixed, so that a fault that was found is found again.
const MUTATIONS: usize = 300;
const SEED: u64 = 20_260_101;

/// Packs as files, with what each verifier is to be given.
struct Shelf {
    dir: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// A case's files, as a line for the drivers.
    fn job(&self, case: &Case) -> Value {
        let older = case.against.iter().enumerate();
        let older: Vec<_> =
            older.map(|(n, zip)| self.put(&format!("{}-older-{n}.zip", case.id), zip)).collect();
        let zip = self.put(&format!("{}.zip", case.id), &case.zip);
        json!({"zip": zip, "keys": self.keys(&case.keys), "trust": trust(&case.keys), "against": older})
    }

    /// A file with these keys as they are published; none: null.
    fn keys(&self, keys: &[PublicKey]) -> Value {
        let list = PublicKeys { keys: keys.to_vec() }.render();
        let name = format!("{}.json", bundle::digest::sha256_hex(list.as_bytes()));
        if keys.is_empty() { Value::Null } else { self.put(&name, list.as_bytes()).into() }
    }
}

/// What is to be chosen on the page: the keys of the service, which are the corpus's; those of a list that is typed in; or none.
fn trust(keys: &[PublicKey]) -> &'static str {
    match keys {
        [] => "none",
        [key] if *key == sample().key.public() => "service",
        _ => "own",
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../openapi/sdk/python/driftpack_client/verify_pack.py")
}

/// Reads jobs and prints what `verify_pack.py` says; one process, because starting a thousand would be the longest part.
const DRIVER: &str = "
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location('verify_pack', sys.argv[1])
pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
for line in sys.stdin:
    job = json.loads(line)
    keys = pack.read_keys(open(job['keys']).read()) if job['keys'] else []
    report = pack.verify(job['zip'], keys, job['against'])
    print(json.dumps({'result': report.result, 'exit': pack.EXIT[report.result], 'checks': report.checks}), flush=True)
";

/// What `verify_pack.py` says about each job.
fn python(jobs: &[Value]) -> Vec<Value> {
    let mut child = Command::new("python3")
        .args(["-B", "-I", "-c", DRIVER])
        .arg(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = jobs.iter().fold(String::new(), |lines, job| lines + &job.to_string() + "\n");
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    writing.join().unwrap().unwrap();
    let answers: Vec<Value> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), jobs.len(), "{said}");
    answers
}

#[test]
fn the_python_verifier_agrees_on_every_damage() {
    let (shelf, cases) = (Shelf::new(), corpus());
    let jobs: Vec<_> = cases.iter().map(|case| shelf.job(case)).collect();
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(python(&jobs)) {
        let expected = (json!(case.result.as_str()), json!(case.result.exit_code()));
        if (&answer["result"], &answer["exit"]) != (&expected.0, &expected.1) {
            wrong.push(format!("{}: {expected:?}, and Python says {answer:#}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pack with one change at a place that nobody chose: bits flipped, bytes put in, taken out or written over.
fn mutated(whole: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut zip = whole.to_vec();
    // Half of the changes go to the directory and its end, which are a hundredth of the file.
    let from = if random.random() { 0 } else { zip.len() - 1500 };
    let at = random.random_range(from..zip.len());
    let length = random.random_range(1..=16_usize).min(zip.len() - at);
    match random.random_range(0..4_u8) {
        0 => zip[at] ^= 1 << random.random_range(0..8_u8),
        1 => zip.splice(at..at, (0..length).map(|_| random.random())).for_each(drop),
        2 => zip.drain(at..at + length).for_each(drop),
        _ => zip[at..at + length].iter_mut().for_each(|byte| *byte = random.random()),
    }
    zip
}

/// All files of a pack, read by a third reader of ZIPs.
fn files(zip: &Path) -> Vec<u8> {
    Command::new("unzip").arg("-p").arg(zip).output().unwrap().stdout
}

#[test]
fn both_verifiers_agree_on_changes_that_nobody_chose() {
    let (shelf, whole) = (Shelf::new(), sample().zip());
    let mut random = StdRng::seed_from_u64(SEED);
    let options = Options { keys: vec![sample().key.public()], ..Options::default() };
    let (mut jobs, mut ours) = (Vec::new(), Vec::new());
    let keys = shelf.keys(&options.keys);
    while jobs.len() < MUTATIONS {
        let zip = mutated(&whole, &mut random);
        if zip == whole {
            continue;
        }
        let path = shelf.put(&format!("{}.zip", jobs.len()), &zip);
        jobs.push(json!({"zip": path, "keys": keys, "against": []}));
        ours.push(verify(Cursor::new(&zip), &options).result);
    }
    let good = files(Path::new(&shelf.put("good.zip", &whole)));
    for ((job, ours), theirs) in jobs.iter().zip(ours).zip(python(&jobs)) {
        assert_eq!(theirs["result"], ours.as_str(), "{job}: {theirs:#}");
        // Only the bits that fill the last byte of packed data are no part of a file.
        if ours == Outcome::Ok {
            assert!(files(Path::new(job["zip"].as_str().unwrap())) == good, "{job}");
        }
    }
}

/// One case of each answer, a case with an earlier pack, and the case with a key that has ended.
fn one_of_each(cases: &[Case]) -> Vec<&Case> {
    let answers = [Outcome::Ok, Outcome::Broken, Outcome::Truncated, Outcome::Incomplete];
    let mut found: Vec<_> = answers
        .iter()
        .filter_map(|answer| cases.iter().find(|case| case.result == *answer))
        .collect();
    found.extend(cases.iter().find(|case| !case.against.is_empty()));
    found.extend(cases.iter().find(|case| trust(&case.keys) == "own"));
    assert_eq!(found.len(), 6);
    found
}

#[test]
fn the_programs_themselves_end_with_the_code_of_their_answer() {
    let (shelf, cases) = (Shelf::new(), corpus());
    for case in one_of_each(&cases) {
        let job = shelf.job(case);
        let mut args = vec![job["zip"].as_str().unwrap()];
        args.extend(job["keys"].as_str().into_iter().flat_map(|keys| ["--key", keys]));
        for older in job["against"].as_array().unwrap() {
            args.extend(["--against", older.as_str().unwrap()]);
        }
        let ours = Command::new(setting::program()).arg("verify").args(&args).output().unwrap();
        let theirs = Command::new("python3").arg("-B").arg(program()).args(&args).output().unwrap();
        for out in [ours, theirs] {
            let said = String::from_utf8_lossy(&out.stdout).into_owned();
            assert_eq!(
                out.status.code(),
                Some(case.result.exit_code().into()),
                "{}: {said}",
                case.id
            );
            let last = said.trim_end().lines().last();
            assert_eq!(last, Some(&*format!("result: {}", case.result.as_str())), "{said}");
        }
    }
    for mut command in [Command::new(setting::program()), Command::new("python3")] {
        let command = if command.get_program() == "python3" {
            command.arg("-B").arg(program())
        } else {
            command.arg("verify")
        };
        let out = command.arg(shelf.path("nothing.zip")).output().unwrap();
        assert_eq!(out.status.code(), Some(4), "what is not there has no verdict");
    }
}

#[test]
fn the_parts_of_the_page_pass_their_own_tests() {
    let parts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/server/pages/verify/parts.test.mjs");
    let out = Command::new("node").arg("--test").arg(parts).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("pass 12"), "{said}");
}

#[test]
fn a_sound_pack_is_sound_to_the_page_in_pieces_of_any_length() {
    let shelf = Shelf::new();
    let tests =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/server/pages/verify/pieces.test.mjs");
    let mut command = Command::new("node");
    command.arg("--test").arg(tests).env("PACK", shelf.put("pack.zip", &sample().zip()));
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("pass 1"), "{said}");
}

/// What the page in a real browser says about each job, and what it asked servers for.
fn browser(app: &App, shelf: &Shelf, jobs: &[Value]) -> Value {
    let file = shelf.put("jobs.json", json!(jobs).to_string().as_bytes());
    let out = Command::new("node")
        .args(["verify.mjs", &app.base, &file, &setting::chromium()])
        .current_dir(setting::oidc_provider())
        .output()
        .expect("node is installed by the project's set-up");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A service that signs with the key of the corpus, so that the page finds it in the list.
fn signing_as_the_corpus(shelf: &Shelf) -> Settings {
    let pem = sample().key.to_pkcs8_pem();
    let file = shelf.put("signing-key.pem", pem.as_ref().as_bytes());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    Settings { settings: vec![("DRIFTWISE_SIGNING_KEY_FILE", file)], ..Settings::default() }
}

#[tokio::test]
async fn the_page_in_a_browser_agrees_on_every_damage_and_sends_nothing_anywhere() {
    let (shelf, cases) = (Shelf::new(), corpus());
    let app = App::start_with(signing_as_the_corpus(&shelf)).await;
    let jobs: Vec<_> = cases.iter().map(|case| shelf.job(case)).collect();
    let seen = browser(&app, &shelf, &jobs);
    let answers = seen["answers"].as_array().unwrap();
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(answers) {
        if answer["result"] != case.result.as_str() {
            wrong.push(format!(
                "{}: {}, and the page says {answer:#}",
                case.id,
                case.result.as_str()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let keys = format!("GET {}/.well-known/driftpack-keys.json", app.base);
    let asked = seen["asked"].as_array().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|request| *request == *keys), "{asked:?}");
    assert_eq!(seen["console"], json!([]), "neither faults nor refused assets");
}
