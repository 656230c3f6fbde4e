# Every command a person runs. `./dev` does the work; `./dev setup` brings `just` itself.

# What there is.
default:
    @just --list --unsorted

# Install what is missing on this machine.
setup:
    ./dev setup

# The whole path on this machine: scans in, a checked Compliance Pack out.
demo:
    ./dev demo

# Start everything and keep it running.
up:
    ./dev up

# driftpack with the configuration of what runs: `just run dev token --email owner@acme.example`.
run *ARGS:
    ./dev run {{ARGS}}

# Time and memory of a pack of so many generated findings.
measure FINDINGS:
    ./dev measure {{FINDINGS}}

# Kill, freeze and cut off everything around the engine, then prove that nothing was lost: `just chaos --minutes 60`.
chaos *ARGS:
    ./dev chaos {{ARGS}}

# The engine beside its peers (`just bench engine`), packs beside stock tools (`just bench pack`), growth (`just bench scale`).
bench *ARGS:
    ./dev bench {{ARGS}}

# Back up while packs are built, destroy everything, restore, and see what is told.
drill:
    ./dev drill

# Stop what was started.
down:
    ./dev down

# Everything that continuous integration checks; with ARGS only the tests that match.
test *ARGS:
    ./dev test {{ARGS}}

# Write the code the way the formatter likes it.
fmt:
    cargo fmt --all

# Format, lints, spelling, dependencies.
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    .dev/tools/bin/typos
    .dev/tools/bin/cargo-shear
    .dev/tools/bin/cargo-deny check bans licenses sources

# Generate, build and install the clients in Python, TypeScript and Rust.
sdk:
    ./dev sdk

# The archive of a release: program, units, example configuration, list of parts; `--program FILE` packs a build that is there.
dist *ARGS:
    ./dev dist {{ARGS}}

# What the contract breaks of the newest released one, or of FILE.
api-compat *FILE:
    ./dev api-compat {{FILE}}

# Refresh the offline data of the SQL in `engine` and `db`.
sqlx:
    ./dev sqlx

# Refresh migrations/schema.sql.
schema:
    ./dev schema

# A SQL prompt on the private Postgres.
psql *ARGS:
    ./dev psql {{ARGS}}
