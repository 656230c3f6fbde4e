"""A browser and a program at an installation: signed in, over connections that are kept open, with a clock on each answer."""

import http.client
import http.cookiejar
import html.parser
import threading
import time
import urllib.parse
import urllib.request

PATIENCE = 60  # seconds for one answer


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes, and what it hides."""

    def __init__(self):
        super().__init__()
        self.action, self.hidden = None, {}

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = given.get("action") or ""
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")


def sign_in(installation, email):
    """The header of requests by a browser in which this person has signed in."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), urllib.request.ProxyHandler({}))
    with opener.open(f"{installation.url}/login", timeout=PATIENCE) as page:
        form, address = Form(), page.geturl()
        form.feed(page.read().decode())
    data = urllib.parse.urlencode(form.hidden | {"email": email}).encode()
    opener.open(urllib.parse.urljoin(address, form.action), data, timeout=PATIENCE).read()
    host = urllib.parse.urlsplit(installation.url).hostname
    cookies = [f"{cookie.name}={cookie.value}" for cookie in jar if cookie.domain.split(".local")[0] == host]
    if not cookies:
        raise RuntimeError(f"{email} could not sign in")
    return {"cookie": "; ".join(cookies), "accept": "text/html"}


class Line:
    """One connection that is kept open."""

    def __init__(self, url, headers):
        self.host, self.headers = urllib.parse.urlsplit(url).netloc, headers
        self.connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)

    def get(self, path):
        """Status, milliseconds to the last byte, bytes."""
        began = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        size = 0
        while block := answer.read(1 << 16):
            size += len(block)
        return answer.status, (time.perf_counter() - began) * 1000, size


def ask(url, headers, path, times, at_once=1, wanted=(200,)):
    """Milliseconds of so many answers, asked over `at_once` connections; errors by status; bytes of one answer; seconds in all."""
    took, errors, sizes, left = [], {}, set(), iter(range(times))
    lock = threading.Lock()

    def go():
        line = Line(url, headers)
        while True:
            with lock:
                if next(left, None) is None:
                    return
            try:
                status, spent, size = line.get(path)
            except (OSError, http.client.HTTPException) as error:
                status, spent, size = type(error).__name__, None, 0
                line = Line(url, headers)
            with lock:
                if status in wanted:
                    took.append(spent)
                    sizes.add(size)
                else:
                    errors[status] = errors.get(status, 0) + 1

    began = time.perf_counter()
    threads = [threading.Thread(target=go) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"ms": took, "errors": errors, "bytes": max(sizes, default=0), "seconds": time.perf_counter() - began}
