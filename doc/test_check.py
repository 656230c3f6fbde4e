"""What the check of the documents finds, and what it lets pass."""

import pathlib
import subprocess
import tempfile
import unittest

import check

DEV = 'case "${1:-help}" in\n  demo) demo ;;\n  sqlx | schema) refresh "$1" ;;\nesac\n'
JUST = "# A comment.\nfmt:\n    cargo fmt\n\nrun *ARGS:\n    ./dev run {{ARGS}}\n"
OTHER = "# Other\n\n## The `code` in a heading: yes, it's there\n\n## Twice\n\n## Twice\n"


class Documents(unittest.TestCase):
    def faults(self, text):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            (root / "src").mkdir()
            for name, content in {"dev": DEV, "justfile": JUST, "other.md": OTHER, "src/lib.rs": "", "doc.md": text}.items():
                (root / name).write_text(content)
            subprocess.run(["git", "init", "--quiet", root], check=True)
            return check.Check(root).run()

    def test_what_is_right_passes(self):
        right = [
            "[a](other.md) [b](other.md#twice-1) [c](src/lib.rs) [d](src) [e](https://elsewhere.example/x) [f](#here)\n\n# Here",
            "[a](other.md#the-code-in-a-heading-yes-its-there)",
            "```sh\n./dev demo\njust run x\n[no](link.md)\n```\n",
            "    ./dev schema   # ./dev nothing\n",
            "`src/lib.rs`, `src/lib`, `src/*.rs`, `src/<name>.rs`, `/usr/src/lib.c`",
            "adjust nothing, ./dev nothing outside of code",
        ]
        for text in right:
            self.assertEqual(self.faults(text), [], text)

    def test_what_is_wrong_is_found(self):
        wrong = [
            "[a](nothing.md)",
            "[a](other.md#thrice)",
            "[a](#nowhere)",
            "[a](../outside.md)",
            "![picture](doc/none.png)",
            "[a][b]\n\n[b]: nothing.md",
            '<img src="none.png">',
            "`./dev nothing`",
            "```sh\njust nothing\n```",
            "    ./dev nothing\n",
            "`src/nothing.rs`",
        ]
        for text in wrong:
            self.assertEqual(len(self.faults(text)), 1, text)


if __name__ == "__main__":
    unittest.main()
