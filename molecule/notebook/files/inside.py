"""Runs in emmy's session. Each line that it prints was not refused; the last one says that it ran."""

import glob
import os
import subprocess
import urllib.error
import urllib.request


def ask(url, token=None, method="GET"):
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", "token " + token)
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def can_read(path):
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").read(1)
    except OSError:
        return False
    return True


own = os.environ["JUPYTERHUB_API_TOKEN"]
HUB = "http://127.0.0.1:8081/hub/api"
for path in ("users", "users/ada", "users/ada/server", "proxy", "groups", "services", "users/ada/tokens"):
    if ask(f"{HUB}/{path}", own) not in (403, 404, 405):
        print("her session's token may ask for", path)
for path, method in (("users/ada/server", "DELETE"), ("shutdown", "POST"), ("users/emmy/tokens", "POST")):
    if ask(f"{HUB}/{path}", own, method) not in (403, 404, 405):
        print("her session's token may", method, path)
for token in (None, own, "x"):
    if ask("http://127.0.0.1:8001/api/routes", token) != 403:
        print("the proxy's API answers her")

ports = set()
for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in open(table).readlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[7] == "6001":
            ports.add(int(words[1].rpartition(":")[2], 16))
if not ports:
    print("ada's session does not listen, so nothing was tried")
for port in ports:
    for token in (None, own):
        if ask(f"http://127.0.0.1:{port}/user/ada/api/contents", token) == 200:
            print("ada's session lets her in at port", port)

for path in (
    "/etc/casa-hub/secrets",
    "/etc/casa-hub/secrets/cookie_secret",
    "/var/lib/casa-hub",
    "/run/casa-proxy",
    "/run/casa-proxy-secrets",
    "/run/casa-sessions/ada",
    "/run/casa-session-ada",
    "/etc/casa-install/tls/host/key.pem",
    "/home/ada",
    "/etc/shadow",
):
    if can_read(path):
        print("she can read", path)
for path in glob.glob("/proc/[0-9]*/environ"):
    if os.stat(path).st_uid not in (os.getuid(),) and can_read(path):
        print("she can read", path)

for words in (
    ["sudo", "-n", "true"],
    ["systemctl", "stop", "casa-session-ada.service"],
    ["systemctl", "stop", "casa-hub.service"],
):
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL)
    except OSError:
        continue
    if done.returncode == 0:
        print("she can", " ".join(words))
for path in ("/usr/local/bin/x", "/etc/x", "/opt/casa/x", "/usr/local/lib/casa-hub/x"):
    try:
        open(path, "w")
        print("she can write", path)
    except OSError:
        pass
print("tried")
