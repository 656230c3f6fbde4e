"""What `check` finds: each file is damaged in one way, on a copy, and something is said of it."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("check", str(HERE / "check"))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader("check", loader))
loader.exec_module(check)


class Damaged(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        # No container is built here, so the rest of the tree is that of the checkout.
        check.HERE = self.scratch / "deploy"
        check.ROOT = self.scratch
        check.faults.clear()
        shutil.copytree(HERE, check.HERE, ignore=shutil.ignore_patterns("secrets", ".env", "__pycache__"))
        self.addCleanup(setattr, check, "HERE", HERE)
        self.addCleanup(setattr, check, "ROOT", HERE.parent)

    def damage(self, name, before, after):
        path = check.HERE / name
        text = path.read_text()
        self.assertIn(before, text)
        path.write_text(text.replace(before, after, 1))

    def found(self, words):
        self.assertTrue(any(words in fault for fault in check.faults), f"{words} is not in {check.faults}")

    def test_compose(self):
        secrets = self.scratch / "secrets"
        check.make_secrets(secrets)
        for before, after, words in [
            ("restart: unless-stopped", "restarts: unless-stopped", "compose.yaml: "),
            ("secrets: [redis.conf, redis_password]", "secrets: [redis.conf, redis_passwort]", "redis_passwort"),
            ("redis:7.4-bookworm", "redis", "is not pinned"),
            ("${PORT:-8420}", "${PORTS:-8420}", "PORTS is not in .env.example"),
            ("./secrets/s3.env", "./secrets/s4.env", "is made by nobody"),
        ]:
            self.setUp()
            self.damage("compose.yaml", before, after)
            check.compose(secrets)
            self.found(words)

    def test_kubernetes(self):
        for name, before, after, words in [
            ("serve.yaml", "replicas: 2", "replica: 2", "kubernetes/serve.yaml, Deployment"),
            ("serve.yaml", "path: /healthz", "paths: /healthz", "kubernetes/serve.yaml"),
            ("scale.yaml", 'value: "60"', "value: [60]", "kubernetes/scale.yaml"),
            ("worker.yaml", "secretName: driftpack-keys", "secretName: driftpack-key", "the Secret driftpack-key"),
            ("worker.yaml", "capabilities: {drop: [ALL]}", "capabilities: {drop: [NET_RAW]}", "may more than"),
            ("kustomization.yaml", "  - scale.yaml\n", "", "scale.yaml"),
            ("network.yaml", "component: serve}", "component: server}", "no pod has"),
        ]:
            self.setUp()
            self.damage(f"kubernetes/{name}", before, after)
            check.kubernetes()
            self.found(words)

    def test_units(self):
        for name, before, after, words in [
            ("driftpack-serve.service", "NoNewPrivileges=yes", "NoNewPrivilege=yes", "verify driftpack-serve"),
            ("driftpack-serve.service", "ProtectSystem=strict", "ProtectSystem=no", "security driftpack-serve"),
            ("driftpack-worker@.service", "User=driftpack", "User=root", "security driftpack-worker@8431"),
        ]:
            self.setUp()
            self.damage(f"systemd/{name}", before, after)
            scratch = self.scratch / "units"
            scratch.mkdir()
            check.systemd(scratch)
            self.found(words)

    def test_names_and_secrets(self):
        for name, before, after, words in [
            ("kubernetes/config.yaml", "DRIFTWISE_S3_REGION", "DRIFTWISE_S3_RGION", "is no setting"),
            ("compose.yaml", "DRIFTWISE_STORAGE: s3", "DRIFTWISE_API_KEY_PEPPER: x", "is a secret"),
            ("kubernetes/config.yaml", "DRIFTWISE_REDIS_URL_FILE", "DRIFTWISE_LISTEN_FILE", "is no setting"),
        ]:
            self.setUp()
            self.damage(name, before, after)
            check.names()
            self.found(words)


if __name__ == "__main__":
    unittest.main()
