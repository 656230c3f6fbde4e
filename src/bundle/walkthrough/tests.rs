//! The commands of the walkthrough, run as an auditor would run them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::attestation::Attestation;
use crate::testing::{self, Sample, attestation, sample};

/// The command blocks under «Linux», in order.
fn linux_blocks(text: &str) -> Vec<String> {
    let linux = text.split("\n## ").find(|part| part.starts_with("Linux\n")).unwrap();
    let blocks = linux.split("```bash\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

/// Runs blocks in one shell, in a folder that holds nothing but the ZIP.
fn run(blocks: &[String], sample: &Sample) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(Sample::file_name()), sample.zip()).unwrap();
    bash(folder.path(), &blocks.concat())
}

fn bash(folder: &Path, script: &str) -> Output {
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("DRIFTPACK_TOKEN", "token-of-an-owner")
        .output()
        .unwrap()
}

/// Answers one request as the running product would; gives its address.
fn live(hash_hex: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head: Vec<String> = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        assert!(head.contains(&"Authorization: Bearer token-of-an-owner".to_owned()), "{head:?}");
        let hash_hex =
            if hash_hex.is_empty() { attestation().head_hash_hex } else { hash_hex.to_owned() };
        let body =
            format!(r#"{{"status":"ok","head_seq":15,"at":{{"seq":12,"hash_hex":"{hash_hex}"}}}}"#);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    format!("http://{address}/verify?at_seq=12")
}

fn asking(verify_url: String) -> Sample {
    let mut sample = sample();
    sample.sign(Attestation { verify_url, ..attestation() });
    sample.list();
    sample
}

fn text(sample: &Sample) -> String {
    String::from_utf8(sample.get("AUDIT_LOG_VERIFY.md").to_vec()).unwrap()
}

#[test]
fn every_linux_block_runs_and_finds_the_pack_whole() {
    let sample = asking(live(""));
    let blocks = linux_blocks(&text(&sample));
    assert_eq!(blocks.len(), 5);
    let output = run(&blocks, &sample);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "findings.csv: OK",
        "OK: 14 files are listed, and the list itself is there",
        "OK: 5 entries, 4 to 8",
        "Signature Verified Successfully",
        "the signature covers every listed file",
        "the signature covers the attestation",
        &sample.key.id(),
        "the live chain holds entry 12 as attested",
    ] {
        assert!(said.contains(line), "{line:?} is missing in\n{said}");
    }
}

type Change = fn(&mut Sample);

#[test]
fn each_step_stops_at_what_it_is_there_for() {
    let steps: [(usize, Change); 4] = [
        (2, |sample| sample.edit("scans.csv", |text| text.replacen("done", "lost", 1))),
        (2, |sample| sample.remove("scans.csv")),
        (3, |sample| {
            sample.edit("audit_events.ndjson", |text| text.replacen("second", "zweite", 1));
            sample.list();
        }),
        (4, |sample| {
            sample.edit("controls.csv", |text| text.replacen("strong", "STRONG", 1));
            sample.list();
        }),
    ];
    for (step, damage) in steps {
        let mut sample = sample();
        let blocks = linux_blocks(&text(&sample));
        damage(&mut sample);
        assert!(run(&blocks[..step - 1], &sample).status.success(), "before step {step}");
        let output = run(&blocks[..step], &sample);
        assert!(
            !output.status.success(),
            "step {step}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn the_live_step_stops_at_another_hash() {
    let sample = asking(live("00"));
    let blocks = linux_blocks(&text(&sample));
    assert!(!run(&blocks, &sample).status.success());
}

#[test]
fn perls_shasum_takes_the_manifest_too() {
    let sample = sample();
    let blocks = linux_blocks(&text(&sample));
    let output = run(&[blocks[0].clone(), "shasum -a 256 -c MANIFEST.txt".to_owned()], &sample);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn values_that_a_shell_could_run_are_refused() {
    let period = testing::period();
    let plain = Walkthrough {
        file_name: "pack.zip",
        org_slug: "acme",
        period: &period,
        key_id: "00",
        keys_url: testing::KEYS_URL,
    };
    assert!(render(&plain).is_ok());
    for hostile in ["$(id)", "`id`", "a b", "a;b", "a\nb", "<b>"] {
        assert!(render(&Walkthrough { file_name: hostile, ..plain }).is_err());
        assert!(render(&Walkthrough { org_slug: hostile, ..plain }).is_err());
        assert!(render(&Walkthrough { keys_url: hostile, ..plain }).is_err());
    }
}
