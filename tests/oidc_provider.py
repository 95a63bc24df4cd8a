"""A small OpenID provider. The test decides which person signs in."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider:
    def __init__(self):
        self.secret = secrets.token_urlsafe()
        self.person = {}
        self.keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
        self.codes = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                if path == "/.well-known/openid-configuration":
                    self.answer(provider.configuration())
                elif path == "/keys":
                    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.keys[0].public_key()))
                    self.answer({"keys": [key | {"kid": "1", "use": "sig", "alg": "RS256"}]})
                elif path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(dict(urllib.parse.parse_qsl(query))))
                    self.end_headers()
                else:
                    self.send_error(404)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                token = provider.token(self.headers.get("Authorization", ""), dict(urllib.parse.parse_qsl(body)))
                self.answer(token or {"error": "invalid_grant"}, 200 if token else 400)

            def answer(self, value, status=200):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()

    def configuration(self):
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query):
        assert query["client_id"] == "console" and query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256" and "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urllib.parse.urlencode({'code': code, 'state': query['state']})}"

    def token(self, authorization, form):
        expected = base64.b64encode(f"console:{urllib.parse.quote_plus(self.secret)}".encode()).decode()
        query = self.codes.pop(form.get("code"), None)
        if query is None or authorization != f"Basic {expected}" or form["redirect_uri"] != query["redirect_uri"]:
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if challenge != query["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": "console", "iat": now, "exp": now + 60, "nonce": query["nonce"]}
        claims |= {name: value for name, value in self.person.items() if name != "forged"}
        key = self.keys[1 if self.person.get("forged") else 0]
        id_token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "1"})
        return {"access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}
