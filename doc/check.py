"""Follows what the documents say: links, anchors, paths, and the commands of `./dev` and `just`. `./dev test` runs it.

    python3 -B doc/check.py [FOLDER]

Commands of `driftpack` itself are followed by a test of the program (src/cli/documents.rs), which knows its own arguments. Addresses
elsewhere are not asked: a test must not depend on somebody else's server.
"""

import pathlib
import re
import subprocess
import sys
import unicodedata
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Rendered into packs, with placeholders.
TEMPLATES = {"src/bundle/walkthrough.md"}
FENCE = re.compile(r"^( {0,3}|(?:> ?)*)(`{3,}|~{3,})(.*)$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)", re.M)
SOURCE = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]+)\"")
CODE = re.compile(r"(`+)(.+?)\1", re.S)


class Document:
    def __init__(self, path, text):
        self.path = path
        self.prose, self.blocks = apart(text)

    def anchors(self):
        """The names that GitHub gives to headings, and those that the text gives itself."""
        found, seen = set(), {}
        lines = self.prose.splitlines()
        for line, following in zip(lines, [*lines[1:], ""]):
            heading = re.match(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", line)
            if heading is None and line.strip() and re.fullmatch(r" {0,3}(=+|-{3,})\s*", following) and not line.lstrip().startswith("|"):
                heading = re.match(r"\s*(.*?)\s*$", line)
            if heading is None:
                continue
            name = slug(heading[1])
            count = seen.get(name, 0)
            seen[name] = count + 1
            found.add(f"{name}-{count}" if count else name)
        return found | set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", self.prose))

    def links(self):
        text = CODE.sub(lambda code: " " * len(code[0]), self.prose)
        return [found for pattern in (LINK, REFERENCE, SOURCE) for found in pattern.findall(text)]

    def code(self):
        """Everything that is set as code: spans, blocks, and lines that are indented."""
        yield from self.blocks
        indented = [line[4:] for line in self.prose.splitlines() if line.startswith("    ") and not re.match(r"\s*([-*+]|\d+\.)\s", line)]
        yield "\n".join(indented)
        for _, code in CODE.findall(self.prose):
            yield code


def apart(text):
    """The text outside of fenced blocks, and the blocks."""
    prose, blocks, fence, block = [], [], None, []
    for line in text.splitlines():
        found = FENCE.match(line)
        if fence is None and found:
            fence, block = found[2], []
        elif fence is not None and found and found[2].startswith(fence) and not found[3].strip():
            blocks.append("\n".join(block))
            fence = None
        elif fence is not None:
            block.append(line)
        else:
            prose.append(line)
    if fence is not None:
        blocks.append("\n".join(block))
    return "\n".join(prose), blocks


def slug(heading):
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"</?[a-zA-Z][^>]*>", "", text).lower()
    kept = (c for c in text if c in " -_" or unicodedata.category(c)[0] in "LN" or unicodedata.category(c) in ("Mn", "Mc", "Pc"))
    return "".join(kept).replace(" ", "-")


def dev_commands(script):
    """The commands of `dev`, from the table at its end."""
    table = script[script.rindex('case "${1:-help}" in') :]
    return {name.strip() for line in re.findall(r"^  ([a-z][a-z |-]*?)\)", table, re.M) for name in line.split("|")}


def just_commands(text):
    return set(re.findall(r"^([a-z][a-z0-9-]*)(?: [^:=\n]*)?:(?!=)", text, re.M))


class Check:
    def __init__(self, root):
        self.root = root
        self.faults = []
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        self.files = {name for name in listed if name and (root / name).exists()}
        self.folders = {str(above) for name in self.files for above in pathlib.PurePosixPath(name).parents}
        self.documents = {name: Document(name, (root / name).read_text()) for name in sorted(self.files) if name.endswith(".md") and name not in TEMPLATES}
        self.dev = dev_commands((root / "dev").read_text())
        self.just = just_commands((root / "justfile").read_text())

    def run(self):
        for document in self.documents.values():
            for link in document.links():
                self.link(document, link)
            for code in document.code():
                self.commands(document, code)
                self.paths(document, code)
        return self.faults

    def fault(self, document, what):
        self.faults.append(f"{document.path}: {what}")

    def link(self, document, link):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            return
        path, _, anchor = urllib.parse.unquote(link).partition("#")
        target = self.resolved(document, path) if path else document.path
        if target is None:
            return self.fault(document, f"the link {link} leads nowhere")
        if anchor and target in self.documents and anchor not in self.documents[target].anchors():
            self.fault(document, f"the link {link} names no heading of {target}")

    def resolved(self, document, path):
        whole = (self.root / document.path).parent / path if not path.startswith("/") else self.root / path[1:]
        try:
            name = str(whole.resolve().relative_to(self.root))
        except ValueError:
            return None
        return name if name in self.files or name in self.folders else None

    def commands(self, document, code):
        for line in code.splitlines():
            for program, name in re.findall(r"(?:^|[\s(`|&;])(\./dev|just)[ \t]+([a-z][a-z-]*)", line.split(" #")[0]):
                there = self.dev if program == "./dev" else self.just
                if name not in there:
                    self.fault(document, f"`{program} {name}` is no command")

    def paths(self, document, code):
        """A path below one of our folders, in code, is a file or a folder. Patterns and placeholders are none."""
        tops = {name.split("/")[0] for name in self.files if "/" in name}
        for word in re.findall(r"(?<![\w./~$-])((?:[\w-]+/)+[\w.-]*[\w])(?![\w*…{<$])", code):
            if word.split("/")[0] in tops and "…" not in word and not self.is_there(document, word):
                self.fault(document, f"`{word}` is not there")

    def is_there(self, document, word):
        own = pathlib.PurePosixPath(document.path).parent
        for name in (word, str(own / word)):
            if name in self.files or name in self.folders or any(f"{name}{ending}" in self.files for ending in (".rs", ".py", ".md")):
                return True
        # What is made here and kept out of git: generated clients, secrets.
        made = [name + ending for name in (word, str(own / word)) for ending in ("", "/")]
        return subprocess.run(["git", "check-ignore", "--", *made], cwd=self.root, capture_output=True).returncode == 0


def main(root):
    check = Check(root)
    faults = check.run()
    for what in faults:
        print(what, file=sys.stderr)
    if not faults:
        links = sum(len(document.links()) for document in check.documents.values())
        print(f"{len(check.documents)} documents, {links} links")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
