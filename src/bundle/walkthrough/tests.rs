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
    blocks_of(linux, "bash")
}

fn blocks_of(text: &str, shell: &str) -> Vec<String> {
    let fence = format!("```{shell}\n");
    let blocks = text.split(&fence).skip(1).map(|block| block.split_once("```").unwrap().0);
    blocks.map(str::to_owned).collect()
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
    assert_eq!(blocks.len(), 6);
    let output = run(&blocks, &sample);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "findings.csv: OK",
        "OK: 15 files are listed, and the list itself is there",
        "OK: 5 entries, 4 to 8",
        "Signature Verified Successfully",
        "OK: the signature is right; it covers every listed file, and the attestation",
        &sample.key.id(),
        "the live chain holds entry 12 as attested",
        "OK: this pack bears no time stamp",
    ] {
        assert!(said.contains(line), "{line:?} is missing in\n{said}");
    }
}

/// Whoever adds a block in another language must say here how it is checked.
#[test]
fn every_command_block_is_of_a_kind_that_is_run_or_read_here() {
    let text = text(&sample());
    let fences = text.lines().filter_map(|line| line.strip_prefix("```")).step_by(2);
    let kinds: Vec<_> = fences.collect();
    assert!(kinds.iter().all(|kind| ["bash", "sh", "powershell"].contains(kind)), "{kinds:?}");
    let linux = linux_blocks(&text).len();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "bash").count(),
        linux,
        "bash stands under Linux only"
    );
}

/// Neither apt nor pip nor npm has PowerShell for Debian 12, so its lines are not run. The grammar of tree-sitter (0.26.4) parsed them
/// without a fault when they were written. What is held here: quotes and brackets close, every word at the place of a command is
/// a cmdlet that comes with Windows, and the file is named.
#[test]
fn the_lines_for_windows_close_what_they_open_and_call_what_windows_has() {
    const CMDLETS: [&str; 6] = [
        "Expand-Archive",
        "Set-Location",
        "Get-Content",
        "ForEach-Object",
        "Get-FileHash",
        "Get-ChildItem",
    ];
    let text = text(&sample());
    let blocks = blocks_of(&text, "powershell");
    assert_eq!(blocks.len(), 1);
    let mut open = Vec::new();
    let mut quoted = false;
    for c in blocks[0].chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => open.push(c),
            ')' | '}' | ']' if !quoted => {
                let pair = [open.pop().unwrap(), c];
                assert!([['(', ')'], ['{', '}'], ['[', ']']].contains(&pair), "{pair:?}");
            }
            '"' | '`' => panic!("quotes in which PowerShell replaces things"),
            _ => {}
        }
    }
    assert!(open.is_empty() && !quoted);
    let words = blocks[0].split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let verbs = words
        .filter(|word| word.contains('-') && word.starts_with(|c: char| c.is_ascii_uppercase()));
    for verb in verbs {
        assert!(CMDLETS.contains(&verb), "{verb}");
    }
    assert!(blocks[0].contains(&Sample::file_name()));
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

/// The blocks of macOS in the place of those they stand for, on a system that has `shasum`, too.
#[test]
fn the_macos_blocks_say_the_same() {
    let sample = sample();
    let text = text(&sample);
    let macos = text.split("\n## ").find(|part| part.starts_with("macOS\n")).unwrap();
    let [files, key]: [String; 2] = blocks_of(macos, "sh").try_into().unwrap();
    let mut blocks = linux_blocks(&text);
    blocks[1] = files;
    let output = run(&[&blocks[..4], &[key]].concat(), &sample);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("OK: 15 files are listed"), "{said}");
    let id = sample.key.id();
    assert!(said.lines().filter(|line| *line == id).count() == 2, "{said}");
}

/// A shell in which somebody types goes on after a command that failed.
#[test]
fn no_step_says_ok_after_a_failure() {
    let steps: [(usize, Change); 3] = [
        (2, |sample| sample.edit("scans.csv", |text| text.replacen("done", "lost", 1))),
        (4, |sample| {
            sample.edit("chain-attestation.json", |text| {
                let at = text.find("\"sig\": \"").unwrap() + 8;
                let other = if &text[at..=at] == "A" { "B" } else { "A" };
                format!("{}{other}{}", &text[..at], &text[at + 1..])
            });
            sample.list();
        }),
        (4, |sample| {
            sample.edit("chain-attestation.json", |text| {
                text.replacen("\"checked\": 12", "\"checked\": 13", 1)
            });
            sample.list();
        }),
    ];
    for (step, damage) in steps {
        let mut sample = sample();
        let blocks = linux_blocks(&text(&sample));
        damage(&mut sample);
        let folder = unpacked(&sample);
        let script = format!("cd pack\n{}", blocks[step - 1]);
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(said.contains("FAILED") && !said.contains("OK: "), "step {step}: {said}");
    }
}

/// A folder that holds `pack/`.
fn unpacked(sample: &Sample) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pack")).unwrap();
    for (name, bytes) in &sample.entries {
        std::fs::write(folder.path().join("pack").join(name), bytes).unwrap();
    }
    folder
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
    let numeric = "http://[::1]:8420/.well-known/driftpack-keys.json";
    let text = render(&Walkthrough { keys_url: numeric, ..plain }).unwrap();
    assert!(text.contains(numeric));
    for hostile in ["$(id)", "`id`", "a b", "a;b", "a\nb", "<b>"] {
        assert!(render(&Walkthrough { file_name: hostile, ..plain }).is_err());
        assert!(render(&Walkthrough { org_slug: hostile, ..plain }).is_err());
        assert!(render(&Walkthrough { keys_url: hostile, ..plain }).is_err());
    }
}
