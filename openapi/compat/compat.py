"""What of a contract breaks those who wrote programs by an earlier one.

    compat.py EARLIER.yaml NOW.yaml

Prints a line for each breaking change and exits with 1 if there is one; 0 if there is none, or if the major version has
risen, which announces them. Judged as clients are written: what they send must still be taken, and what they read
must still be there and be what it was. An enum is closed for them: a new word in an answer breaks their reader.

Not judged: words (summaries, descriptions, examples) and errors that are new or gone, because clients treat all alike.
"""

import sys

import yaml

# Bounds, with what makes each stricter.
LOWER = ("minimum", "minLength", "minItems")
UPPER = ("maximum", "maxLength", "maxItems")
FIXED = ("type", "format", "pattern")


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    earlier, now = (load(path) for path in arguments)
    found = changes(earlier, now)
    for change in found:
        print(f"BREAKING  {change}")
    if found and major(now) > major(earlier):
        print(f"Announced by the version {now['info']['version']}.")
        return 0
    return 1 if found else 0


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def major(document):
    return int(str(document["info"]["version"]).split(".")[0])


def changes(earlier, now):
    """Every breaking change, in words."""
    found = []
    theirs, ours = operations(earlier), operations(now)
    for key, (path, operation) in theirs.items():
        name = operation.get("operationId", " ".join(key))
        if key not in ours:
            found.append(f"{name}: {key[1].upper()} {path} is gone")
            continue
        comparison = Comparison(earlier, now, name, found)
        comparison.operation(operation, ours[key][1])
    return found


def operations(document):
    """By path, the names of its parameters left out because no caller sees them, and method."""
    methods = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
    return {
        ("/".join("{}" if part.startswith("{") else part for part in path.split("/")), method): (path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


class Comparison:
    """One operation, before and now. `is_sent` says whether a schema is of what clients send, or of what they read."""

    def __init__(self, earlier, now, name, found):
        self.documents = (earlier, now)
        self.name = name
        self.found = found
        self.seen = set()

    def say(self, place, what):
        text = f"{self.name}: {place}{' ' if place else ''}{what}"
        if text not in self.found:
            self.found.append(text)

    def operation(self, old, new):
        if old.get("operationId") != new.get("operationId"):
            self.say("", f"is called {new.get('operationId')} now, and so are the functions of the SDKs")
        self.security(old, new)
        self.parameters(old, new)
        self.request(old.get("requestBody"), new.get("requestBody"))
        self.responses(old["responses"], new["responses"])

    def security(self, old, new):
        def ways(operation, document):
            asked = operation.get("security", document.get("security", []))
            return [{scheme: set(scopes) for scheme, scopes in way.items()} for way in asked] or [{}]

        def admits(way, credentials):
            return all(scheme in credentials and scopes <= credentials[scheme] for scheme, scopes in way.items())

        taken = ways(new, self.documents[1])
        for credentials in ways(old, self.documents[0]):
            if not any(admits(way, credentials) for way in taken):
                self.say("", f"no longer takes {' with '.join(sorted(credentials)) or 'callers without credentials'}")

    def parameters(self, old, new):
        def by_name(operation):
            named = {}
            paths = 0
            for parameter in operation.get("parameters", []):
                name = parameter["name"]
                if parameter["in"] == "path":  # only the place of these is known to callers
                    name, paths = paths, paths + 1
                elif parameter["in"] == "header":
                    name = name.lower()
                named[parameter["in"], name] = parameter
            return named

        theirs, ours = by_name(old), by_name(new)
        for key, parameter in theirs.items():
            place = f"the {key[0]} parameter {parameter['name']}"
            if key not in ours:
                self.say(place, "is gone")
                continue
            if ours[key].get("required") and not parameter.get("required"):
                self.say(place, "is required now")
            self.schema(place, parameter["schema"], ours[key]["schema"], is_sent=True)
        for key, parameter in ours.items():
            if key not in theirs and parameter.get("required"):
                self.say(f"the {key[0]} parameter {parameter['name']}", "is new and required")

    def request(self, old, new):
        if old is None:
            if new is not None and new.get("required"):
                self.say("a body", "is required now")
            return
        if new is None:
            self.say("the body", "is no longer taken")
            return
        if new.get("required") and not old.get("required"):
            self.say("the body", "is required now")
        for media, body in old["content"].items():
            if media not in new["content"]:
                self.say("a body of", f"{media} is no longer taken")
            else:
                self.schema("body", body.get("schema", {}), new["content"][media].get("schema", {}), is_sent=True)

    def responses(self, old, new):
        for status, answer in old.items():
            is_success = str(status).startswith(("2", "3"))
            if status not in new:
                if is_success:
                    self.say(f"the answer {status}", "is gone")
                continue
            place = f"{status}"
            for media, body in answer.get("content", {}).items():
                other = new[status].get("content", {}).get(media)
                if other is None:
                    self.say(place, f"is no longer {media}")
                else:
                    self.schema(place, body.get("schema", {}), other.get("schema", {}), is_sent=False)
            self.headers(place, answer.get("headers", {}), new[status].get("headers", {}))

    def headers(self, place, old, new):
        new = {name.lower(): header for name, header in new.items()}
        for name, header in old.items():
            other = new.get(name.lower())
            if other is None or (header.get("required") and not other.get("required")):
                self.say(place, f"may lack the header {name}")
            else:
                self.schema(f"{place} header {name}", header["schema"], other["schema"], is_sent=False)

    def schema(self, place, old, new, is_sent):
        old, new = (whole(schema, document) for schema, document in zip((old, new), self.documents))
        pair = (id(old.get("properties", old)), id(new.get("properties", new)), is_sent, place)
        if pair in self.seen or place.count(".") > 30:  # schemas that hold themselves
            return
        self.seen.add(pair)
        for key in FIXED:
            if old.get(key) != new.get(key) and not (is_sent and key not in new):
                self.say(place, f"has another {key}: {old.get(key)} was, {new.get(key)} is")
        self.null(place, old, new, is_sent)
        self.enum(place, old, new, is_sent)
        self.bounds(place, old, new, is_sent)
        self.members(place, old, new, is_sent)
        if "items" in old and "items" in new:
            self.schema(f"{place}[]", old["items"], new["items"], is_sent)
        both = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(both[0], dict) and isinstance(both[1], dict):
            self.schema(f"{place}.*", both[0], both[1], is_sent)

    def null(self, place, old, new, is_sent):
        was, now = bool(old.get("nullable")), bool(new.get("nullable"))
        if was and not now and is_sent:
            self.say(place, "may not be null any more")
        if now and not was and not is_sent:
            self.say(place, "may be null now")

    def enum(self, place, old, new, is_sent):
        if "enum" not in old and "enum" not in new:
            return
        if "enum" not in old or "enum" not in new:
            if ("enum" in new) == is_sent:
                self.say(place, f"has {'a closed list of' if is_sent else 'any'} words now")
            return
        lost, added = set(old["enum"]) - set(new["enum"]), set(new["enum"]) - set(old["enum"])
        for word in sorted(map(str, lost if is_sent else added)):
            self.say(place, f"{'no longer takes' if is_sent else 'may be'} {word}{'' if is_sent else ' now'}")

    def bounds(self, place, old, new, is_sent):
        if not is_sent:
            return
        for keys, is_stricter in ((LOWER, lambda a, b: b > a), (UPPER, lambda a, b: b < a)):
            for key in keys:
                if key in new and (key not in old or is_stricter(old[key], new[key])):
                    self.say(place, f"has a stricter {key}: {new[key]}")

    def members(self, place, old, new, is_sent):
        theirs, ours = old.get("properties", {}), new.get("properties", {})
        required = set(old.get("required", [])), set(new.get("required", []))
        for name, schema in theirs.items():
            at = f"{place}.{name}"
            if name not in ours:
                if not is_sent or new.get("additionalProperties") is False:
                    self.say(at, "is no longer taken" if is_sent else "is gone")
                continue
            if is_sent and name in required[1] - required[0]:
                self.say(at, "is required now")
            if not is_sent and name in required[0] - required[1]:
                self.say(at, "may be missing now")
            self.schema(at, schema, ours[name], is_sent)
        if is_sent:
            for name in sorted(required[1] - set(theirs)):
                self.say(f"{place}.{name}", "is new and required")
            if old.get("additionalProperties") is not False and new.get("additionalProperties") is False:
                self.say(place, "takes no other members any more")


def whole(schema, document):
    """The schema itself: references followed, and what poem-openapi writes as `allOf` of one and its description joined."""
    joined = dict(schema)
    while "$ref" in joined or "allOf" in joined:
        parts = joined.pop("allOf", [])
        if "$ref" in joined:
            parts = [target(joined.pop("$ref"), document), *parts]
        for part in parts:
            joined = {**part, **joined}
    return joined


def target(pointer, document):
    for name in pointer.removeprefix("#/").split("/"):
        document = document[name]
    return document


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
