# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ordinary logs say about passwords and tokens without telling one is no finding."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan import Options, run
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.known import KnownValues
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.rules import rules
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import engines
from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search.plan import Plan
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.engine_ways import WAYS, going
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.secret_samples import docker, rules_hit

HARMLESS = r"""
{"msg":"Password reset requested","tokenCount":12}
{"message":"Invalid password","ipAddress":"10.0.0.1"}
{"message":"Invalid token","userAgent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"}
{"error":"password mismatch","requestId":"a0c41aebb8f010b8e9a5b5ab89c30497"}
SELECT "UserEntity"."passwordHash" AS "UserEntity_passwordHash", "UserEntity"."canImpersonate" AS "UserEntity_canImpersonate" FROM "core"."user" "UserEntity"
session=x7PwdQ3356dc44c65568b90edca9f9f06037f5 cache_key=user:42:ad95ef95235cb388c141f87bace2bf34
token_type=Bearer expires_in=3600
DB_PASSWORD=%DB_PASSWORD%
password: {{ .Values.auth.password }}
PGPASSWORD=${PASSWORD:?missing}
password_encryption = scram-sha-256
password: vault:secret/data/app#password
"secretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
api-7c63fa29-6132-4cc0-8fac-33a854db317f
datadog trace_id: b1c41aebb8f010b8e9a5b5ab89c30498
twilio request_id=c2c41aebb8f010b8e9a5b5ab89c30499
token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
AKIAIOSFODNN7EXAMPLE
"authorization":"[Redacted]"
password=******** user=x
Error: secretOrPrivateKey must have a value at Object.sign (/app/node_modules/jsonwebtoken/sign.js:107:20)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"tokenTypes":["access","refresh"],"grant":"authorization_code"
secretName: my-app-tls-secret
imagePullSecrets: [{name: regcred-2024}]
tokens: 1234, prompt_tokens: 512
max_tokens=4096
password_hash TEXT NOT NULL
UPDATE "user" SET "passwordHash" = $1, "updatedAt" = $2 WHERE id = $3
INSERT INTO "appToken"("id", "type", "value", "expiresAt") VALUES ($1, $2, $3, $4)
ALTER TABLE "user" ADD "passwordHash" character varying
CREATE INDEX "IDX_token_123abc" ON "appToken" ("value")
"password":{"min":8,"max":64}
token: expected string, received undefined
JWT token expired at 2026-11-26T10:00:00.000Z
csrf token: undefined
secretKeyRef: {name: app-secrets, key: jwt-secret-v2}
PASSWORD_RESET_TOKEN_EXPIRES_IN=5m
ACCESS_TOKEN_EXPIRES_IN=30m
APP_SECRET_FILE=/run/secrets/app_secret
password=$DB_PASSWORD
password="$(cat /run/secrets/db)"
password: !vault |
password = process.env.DB_PASSWORD
password=os.environ["DB_PASSWORD"]
token=req.headers.authorization.split(" ")[1]
mapped [TokenController] {/auth/token, POST} route
Secret: core-app-secrets-7d9f8b6c5 mounted at /etc/app
pwd=/home/app/releases/2024-10-10
token bucket: refill=100/s burst=2500
password policy: min_length=12,require_digits=true
"apiKey":"<redacted>","secret":"[REDACTED]"
Generated token for user 8842 in 12ms
secret version: projects/p/secrets/s/versions/12
credentials: same-origin
credentials=include mode=cors
tokenizer=cl100k_base
token_endpoint_auth_method=client_secret_basic
"accessToken":{"type":"string","format":"jwt"}
authorization: Bearer {{access_token}}
authorization_endpoint=https://idp.corp/authorize2
x-amz-security-token;host;x-amz-date
127.0.0.1 - - [27/Nov/2026:09:27:57 +0000] "GET /x1?token=&password= HTTP/1.1" 404 236
given = target(port, authority, authorization="Basic dTpwYXNzd29yZA==")
sshd[812]: debug1: userauth-request for user root service ssh-connection method password [preauth]
sshd[812]: Accepted publickey for root from 127.0.0.1 port 40022 ssh2: ED25519 SHA256:7mKq2VtR9xWzB4cD1eF6gH8jL0nP3sU5vY+aZ/bXcTk
mysql -h db -u root -p app < dump.sql
[Note] mysqld: ready for connections. Version: '11.8.3-MariaDB'  socket: '/run/mysqld/mysqld.sock'
GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD <secret>
ALTER USER app WITH PASSWORD '********'
DETAIL:  Role "nobody" does not exist. Connection matched pg_hba.conf line 117: "local all all password"
redis-cli -h cache -p 6379 --no-auth-warning ping
# requirepass foobared is set by the operator
docker login -u app --password-stdin registry.example.com
machine learning model login page password reset flow
kex_parse_kexinit: aes256-gcm@openssh.com,chacha20-poly1305@openssh.com [preauth]
auth_method=AUTH PLAIN LOGIN, passdb driver: passwd-file
Set-Cookie: sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/
$2b$ hashes are made with cost 12
npm http fetch GET 200 https://packages.example.com/js-tokens/-/js-tokens-4.0.0.tgz 38ms (cache miss)
integrity sha512-RdJUflcE3cUzKiMqQgsCu06FPu9UdIJO0beYbPhHN4k6apgJtifcoCtT9bcxOpYBtpD2kCM6Sbzg4CausW/PKQ==
Successfully installed certbot-5.1.0 python-secrets-2.1 tokenize-rt-6.2.0
[acme] JWS payload: {"protected": "eyJhbGciOiAiUlMyNTYifQ", "signature": "", "payload": ""}
#12 [build 3/7] RUN --mount=type=secret,id=npm_token,target=/run/secrets/npm_token npm ci
{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs","e":"AQAB","kid":"k"}]}
{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","d":"[Redacted]"}
jwk: unsupported "kty": "RSA1", field "d": "must be a string of base64url characters"
machine api.example.com booted, login prompt is up, password authentication is off
user deploy on >/dev/null 2>&1
the user on > 99% of hosts
user carol on #9c2a15e8b0d34f6a7c1e5b8d0f2a4c6e8b0d2f4a6c8e0b2d4f6a8c0e2b4d6f8a ~* +@all
ACL SETUSER worker on nopass ~* +@all
"ACL" "SETUSER" "worker" "on" "(redacted)" "~*"
User app on database app: queries >5 s: 12
API_KEY=8Gx%H2?kq7Lw$v4
Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.x7PwdQ3356dc44c65568b90edca9f9f06037f5a
Unexpected token - "}" in JSON at position 12; lexer: token - 'identifier', column 14
<secret>{credentials}</secret> <password>{AES}</password>
systemd[1]: Started systemd-ask-password-console.path - Dispatch Password Requests to Console Directory Watch.
""".strip().splitlines()

# What each software says at debug level in the form of its own.
ORDINARY = r"""
Started POST "/users/sign_in" for 10.0.0.7 at 2026-11-27 09:12:03 +0000
  Parameters: {"utf8"=>"✓", "authenticity_token"=>"[FILTERED]", "user"=>{"email"=>"a@example.com", "password"=>"[FILTERED]", "remember_me"=>"0"}, "commit"=>"Log in"}
  User Load (0.4ms)  SELECT "users".* FROM "users" WHERE "users"."reset_password_token" = $1 LIMIT $2  [["reset_password_token", "[FILTERED]"], ["LIMIT", 1]]
  TRANSACTION (0.1ms)  UPDATE "users" SET "encrypted_password" = $1, "remember_created_at" = $2 WHERE "users"."id" = $3
Can't verify CSRF token authenticity. Completed 422 Unprocessable Content in 1ms (ActiveRecord: 0.0ms)
DEPRECATION WARNING: `Rails.application.secrets` is deprecated in favor of `Rails.application.credentials` and will be removed
2026-11-27T09:12:03.456Z  INFO 1 --- [shop] [main] o.s.b.w.embedded.tomcat.TomcatWebServer : Tomcat initialized with port 8080 (http)
2026-11-27T09:12:04.001Z  WARN 1 --- [main] .s.s.UserDetailsServiceAutoConfiguration : Global AuthenticationManager configured with UserDetailsService bean
2026-11-27T09:12:05.120Z DEBUG 1 --- [nio-8080-exec-1] o.s.s.w.a.UsernamePasswordAuthenticationFilter : Failed to process authentication request: Bad credentials
2026-11-27T09:12:05.123Z DEBUG 1 --- [nio-8080-exec-1] o.s.security.web.csrf.CsrfFilter : Invalid CSRF token found for http://localhost:8080/login
UsernamePasswordAuthenticationToken [Principal=app, Credentials=[PROTECTED], Authenticated=false, Details=WebAuthenticationDetails [RemoteIpAddress=10.0.0.7, SessionId=null], Granted Authorities=[]]
HikariConfig : password........................"<masked>"
HikariPool-1 - configuration: dataSourceProperties......{password=<masked>} keystore.password=null truststore.type=PKCS12
Your system credentials file is encrypted using a system-generated key.  You should set your own key using the 'credentialSecret' option in your settings file.
27 Nov 09:12:03 - [info] [mqtt-broker:home] Connected to broker: nodered@mqtt://broker:1883
27 Nov 09:12:03 - [warn] Encrypted credentials not found; 27 Nov 09:12:04 - [audit] {"event":"auth.login.fail.credentials","username":"admin","client":"node-red-editor","scope":"*","level":98}
27 Nov 09:12:05 - [audit] {"event":"settings.get","user":{"username":"admin","permissions":"*"},"path":"/settings","ip":"10.0.0.7","level":98}
10.0.0.7 - - [27/Nov/2026:09:12:03 +0000] "GET /wp-login.php?action=rp&key=&login=admin HTTP/1.1" 302 - "https://blog.example.com/wp-login.php?checkemail=confirm" "Mozilla/5.0"
10.0.0.7 - - [27/Nov/2026:09:12:04 +0000] "GET /wp-admin/admin-ajax.php?action=heartbeat&_nonce=a1b2c3d4e5 HTTP/1.1" 200 58
PHP Warning:  Undefined array key "user_pass" in /var/www/html/wp-includes/user.php on line 114
[27-Nov-2026 09:12:03 UTC] PHP Notice:  Function wp_set_password was called <strong>incorrectly</strong>. (This message was added in version 6.8.0.) in /var/www/html/wp-includes/functions.php on line 6121
WordPress database error Unknown column 'user_activation_key' in 'SELECT' for query SELECT user_pass, user_activation_key FROM wp_users made by wp_signon, wp_authenticate
[09:12:03.456] WARN: "SECRET" env variable is missing. Using a random value instead. Tokens will not persist between restarts. This is not appropriate for production usage.
[09:12:03.460] INFO: Initializing bootstrap... [09:12:09] INFO: Adding first admin user... No admin password provided. Using randomly generated password
{"level":30,"time":1795770723456,"req":{"id":12,"method":"POST","url":"/auth/login","headers":{"authorization":"--redacted--","cookie":"--redact--"}},"res":{"statusCode":401},"responseTime":12,"msg":"POST /auth/login 401 12ms"}
[09:12:11.001] ERROR: Invalid user credentials. err: {"type":"InvalidCredentialsError","code":"INVALID_CREDENTIALS","status":401}
insert into "directus_sessions" ("expires", "ip", "share", "token", "user", "user_agent") values (?, ?, ?, ?, ?, ?)
1795770723: mosquitto version 2.0.21 starting; Config loaded from /mosquitto/config/mosquitto.conf.
1795770723: Warning: File /mosquitto/config/passwd has world readable permissions. Future versions will refuse to load this file.
1795770724: Client auto-5F2C1E0A-7A8F-9C3B-0E55-1D2A6F0B9C11 disconnected, not authorised. New client connected from 10.0.0.7:50412 as sensor-1 (p2, c1, k60, u'app').
1795770725: Sending CONNACK to sensor-1 (0, 5); Received PUBLISH from sensor-1 (d0, q1, r0, m12, 'home/alarm/token', ... (36 bytes))
[2026-11-27 09:12:03,001: INFO/MainProcess] Task accounts.tasks.rotate_tokens[7c63fa29-6132-4cc0-8fac-33a854db317f] succeeded in 0.01s: {'rotated': 3}
(0.002) UPDATE "auth_user" SET "password" = %s, "last_login" = NULL WHERE "auth_user"."id" = 1; args=('<redacted>', 1)
1:M 27 Nov 2026 09:12:03.456 # Warning: no config file specified, using the default config. In order to specify a config file use redis-server /path/to/redis.conf
Started GET "/users?token=[FILTERED]" for 127.0.0.1 at 2026-11-28 13:33:09 +0000
  Parameters: {"authenticity_token"=>"[FILTERED]", "user"=>{"email"=>"[FILTERED]", "password_digest"=>"[FILTERED]", "reset_token"=>"[FILTERED]"}}
   (0.7ms)  CREATE TABLE "users" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "password_digest" varchar, "reset_token" varchar, "created_at" datetime(6) NOT NULL)
  User Create (0.3ms)  INSERT INTO "users" ("email", "password_digest", "reset_token", "created_at") VALUES (?, ?, ?, ?) RETURNING "id"  [["email", "[FILTERED]"], ["password_digest", "[FILTERED]"]]
actionpack (7.2.2.2) lib/action_controller/metal/request_forgery_protection.rb:395:in `verify_authenticity_token'
FINER: IntrospectionUtils: setProperty(class org.apache.tomcat.util.modeler.AttributeInfo name=userPassword)
FINER: [SetPropertiesRule]{mbeans-descriptors/mbean/attribute} Setting property 'description' to 'Character encoding to use to read the username and password parameters from the request'
Sat, 28 Nov 2026 13:30:45 GMT oauth2orize register exchanger password password
Sat, 28 Nov 2026 13:30:45 GMT express:router:layer new '/credentials/:type/:id'
2026-11-28T13:30:37.601Z router urlencodedParser  : /nope?token=
[Nest] 15662  - 11/28/2026, 1:30:37 PM     LOG [RouterExplorer] Mapped {/auth/login, POST} route +7ms
53 Query SELECT option_name, option_value FROM wp_options WHERE option_name IN ('auth_key','auth_salt','secure_auth_key','secure_auth_salt','logged_in_key','logged_in_salt','nonce_key','nonce_salt','secret_key')
post_password varchar(255) NOT NULL default '',
1795872698: Received PUBLISH from auto-B4968892-A116-2F2A-7805-26A32538522D (d0, q1, r0, m1, 'home/alarm/token', ... (8 bytes))
1795872698: Client auto-DFFA8BD4-01B6-1C43-CDCE-AEC66A05E45A disconnected, not authorised.
1:C 27 Nov 2026 09:12:04.000 # User default is authenticated by ACL file /etc/redis/users.acl; "AUTH" "(redacted)"
""".strip().splitlines()


@pytest.mark.parametrize("way", WAYS)
def test_what_names_no_secret_is_no_finding(way: str) -> None:
    lines = HARMLESS + ORDINARY
    with going(way) as engine:
        report = run(Options(texts=dict(zip(lines, lines)), cache="", engine=engine))
    assert [(finding.source, finding.rule) for finding in report.findings] == []


@pytest.mark.parametrize("way", WAYS)
def test_few_lines_that_only_speak_of_secrets_are_looked_at_closer(way: str) -> None:
    plan = Plan(rules.load(), KnownValues({}))
    with going(way) as engine:
        searcher = engines.make(plan, engine).searcher()
    hit = [line for line in ORDINARY if searcher.search(bytearray(docker(line)), len(docker(line)))]
    assert len(hit) <= len(ORDINARY) // 10, hit


@pytest.mark.parametrize("way", WAYS)
def test_time_grows_with_the_length_of_a_record_and_no_faster(way: str, tmp_path: Path) -> None:
    def seconds(piece: str, size: int) -> float:
        began = time.process_time()
        run(Options(texts={"log": (piece * size)[:size]}, cache=str(tmp_path), engine=engine))
        return time.process_time() - began

    with going(way) as engine:
        for piece in (
            *("token:", "password=", "AAAAAAAA", "secret ", '"pass":"', "${PASSWORD:?"),
            *('{"kty":"EC",', "kty: 'EC' d:", "machine a.b login ", "user a on +a ", "user a >"),
        ):
            seconds(piece, 1000)
            # What a scan costs before its first byte is in both.
            assert seconds(piece, 64_000) < 8 * seconds(piece, 16_000) + 0.5, piece


@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_one_character_takes_little_memory_and_hides_nothing(way: str) -> None:
    text = "A" * 200_000 + " dop_v1_" + "0123456789abcdef" * 4
    with going(way) as engine:
        run(Options(texts={"log": "first"}, cache="", engine=engine))
        tracemalloc.start()
        report = run(Options(texts={"log": text}, secrets={"A": "AAAABBBBAAAA"}, cache="", engine=engine))
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert [finding.rule for finding in report.findings] == ["digitalocean-pat"]
    assert peak < 24 << 20


@pytest.mark.parametrize("way", WAYS)
def test_the_last_of_a_names_repetitions_has_the_value(way: str) -> None:
    with going(way) as engine:
        for count in (1, 2, 3, 70, 200):
            report = run(Options(texts={"log": "token:" * count + "Zq9xT4bV7mKw2"}, cache="", engine=engine))
            assert [finding.secret for finding in report.findings] == ["Zq9xT4bV7mKw2"], count


LEAKS = (
    "DB_PASS=VALUE",
    '{"pass":"VALUE"}',
    "SMTP_PASS: VALUE",
    "PASSWORD_ADMIN=VALUE",
    "ALTER USER app WITH PASSWORD 'VALUE'",
    "CREATE ROLE app LOGIN PASSWORD 'VALUE'",
    "CREATE USER app IDENTIFIED BY 'VALUE'",
    "A temporary password is generated for root@localhost: VALUE",
    "APP_KEY=base64:VALUEVALUE",
    "JWT_KEY=VALUEVALUE",
    "SESSION_KEY=VALUEVALUE",
    "ALTER USER app IDENTIFIED WITH mysql_native_password BY 'VALUE'",
    "SET PASSWORD FOR 'app'@'%' = PASSWORD('VALUE')",
    "machine registry.example.com login app password VALUE",
    "+ redis-cli -h cache -a VALUE --no-auth-warning ping",
    '{"Cmd":["sh","-c","mysqldump -h db -u root -pVALUE app"]}',
    "requirepass VALUE",
    'CONFIG SET "masterauth" "VALUE"',
    "connecting to app:VALUE@tcp(db:3306)/app?parseTime=true",
    "postgres://app:VALUE@db:5432/app?sslmode=disable",
    "host=db user=app password=VALUE dbname=app",
    "Server=db;User Id=app;Password=VALUE;Encrypt=true",
    "bindpw VALUE",
    "example-shop token - 'VALUE'",
    "<id>deploy</id><secret>{AQAAABAAA VALUE}</secret>",
    "<apiToken>{VALUEVALUE}</apiToken>",
    "Django is run with SECRET_KEY='VALUE$x+q!'",
    "user worker on >VALUE ~jobs:* +@all",
    '1764236877.1 [0 127.0.0.1:4711] "ACL" "SETUSER" "worker" "on" ">VALUE" "~*"',
)


@pytest.mark.parametrize("way", WAYS)
def test_a_password_under_any_usual_name_is_found(way: str) -> None:
    texts = {line: line.replace("VALUE", "Zq9xT4bV7mKw2") for line in LEAKS}
    texts["SECRET_KEY"] = "SECRET_KEY=uLEeEOzaybtCJiQzpjBWGgeehpbpSuuCYJcAoevhEPSpylukwxJvglCf"
    with going(way) as engine:
        report = run(Options(texts=texts, cache="", engine=engine))
    assert {finding.source.removeprefix("text ") for finding in report.findings} == set(texts)


@pytest.mark.parametrize("way", WAYS)
def test_a_token_behind_a_colour_that_was_escaped_twice_is_found(way: str) -> None:
    token = "dop_v1_" + "0123456789abcdef" * 4
    with going(way) as engine:
        texts = {"log": '{"msg":"\\u001b[32m' + token + '\\u001b[0m"}'}
        report = run(Options(texts=texts, cache="", engine=engine))
    assert [finding.rule for finding in report.findings] == ["digitalocean-pat"]


_JWK = '{"crv":"P-256","d":"VALUE","ext":true,"kty":"EC","x":"VALUE","y":"VALUE"}'


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("netrc-password", ["machine api.example.com", "  login app", "  password VALUE", "machine b.example.com"]),
        ("netrc-password", ["web-1  | machine api.example.com", "web-1  |   login app", "web-1  |   password VALUE"]),
        ("jwk-private-key", ["{", '  "kty": "EC",', '  "crv": "P-256",', '  "d": "VALUE"', "}"]),
        ("jwk-private-key", [_JWK]),
        ("jwk-private-key", ["made " + json.dumps(_JWK)]),
    ],
)
def test_a_secret_that_goes_over_several_lines_is_found(way: str, rule: str, lines: list[str], tmp_path: Path) -> None:
    value = "Zq9xT4bV7mKw2cD1eF6gH8jL0nP3sU5vYaZbXcTk4Rw"
    log = tmp_path / "a.log"
    log.write_bytes(b"".join(docker(line.replace("VALUE", value)) for line in ["before", *lines, "after"]))
    with going(way) as engine:
        assert rules_hit(log, engine) == [rule]


@pytest.mark.parametrize("way", WAYS)
def test_a_machine_that_is_spoken_of_takes_no_password_from_the_lines_after_it(way: str, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    told = ["machine a.example.com is up", "login page", "password Zq9xT4bV7mKw2 was refused"]
    log.write_bytes(b"".join(map(docker, told)))
    with going(way) as engine:
        assert "netrc-password" not in rules_hit(log, engine)


_KEY = [
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
    "MzEfYyjiWA4R4oM8NbH1kK3vQ2pXz5LwT0sGd7uFaJqYhRnCeVbZi6mOoP9lUxSt",
]
_PEM = ["-----BEGIN PRIVATE KEY-----", *_KEY, "-----END PRIVATE KEY-----"]
KEYS = {
    "indented": [f"    {line}" for line in _PEM],
    "behind a name": [f"web-1  | {line}" for line in _PEM],
    "behind a time": [f"2026-01-02T03:04:0{place}.12Z {line}" for place, line in enumerate(_PEM)],
    "a JSON record a line": [json.dumps({"level": "info", "msg": line}) for line in _PEM],
    "in base64": ["tls.key: " + base64.b64encode("\n".join(_PEM).encode()).decode()],
    "in base64, second place": [base64.b64encode(b"=" + "\n".join(_PEM).encode()).decode()],
    "in JSON": [json.dumps({"key": "\n".join(_PEM)})],
    "in JSON twice": [json.dumps(json.dumps({"key": "\n".join(_PEM)}))],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_private_key_is_found_however_a_log_gives_it(way: str, tmp_path: Path) -> None:
    for shape, lines in KEYS.items():
        (tmp_path / f"{shape}.log").write_text("starting\n" + "\n".join(lines) + "\nstarted\n")
    # Of two streams that come turn by turn, a reader sees both.
    records = [docker(line) + docker(f"GET /{place} 200", "stderr") for place, line in enumerate(_PEM)]
    with going(way) as engine:
        report = run(Options(paths=[f"{tmp_path}/*.log"], cache="", engine=engine))
        (tmp_path / "x-json.log").write_bytes(b"".join(records))
        turns = rules_hit(tmp_path / "x-json.log", engine)
    assert {Path(finding.source).stem: finding.severity for finding in report.findings} == dict.fromkeys(KEYS, "high")
    assert turns == ["private-key"]


def test_a_line_that_only_speaks_of_a_key_takes_no_other_line_for_it(tmp_path: Path) -> None:
    lines = ["the file lacks -----BEGIN PRIVATE KEY-----, is it a certificate?"]
    lines += [f"digest of layer {place} is sha256:{'0123456789abcdef' * 4}" for place in range(9)]
    for name, log in {"a.log": lines, "b.log": [*_PEM, *_PEM]}.items():
        (tmp_path / name).write_text("\n".join(log) + "\n")
    report = run(Options(paths=[f"{tmp_path}/*.log"], cache="", engine="python"))
    assert [(Path(f.source).name, f.rule, f.count) for f in report.findings] == [("b.log", "private-key", 2)]


SESSIONS = (
    "Cookie: PHPSESSID=3k9vq0d7l1m2n8c4b5a6s7d8f9",
    "Set-Cookie: JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9; Path=/; HttpOnly",
    "cookie=connect.sid=s%3AxK29sLq0ZpW8vTn4YbRc.7uJmEoHdGfAaSs1DdFfGgHhJjKkLl2QqWwEeRrTtYyUuIiOo",
)
HASHES = (
    "UPDATE `wp_users` SET `user_pass` = '$wp$2y$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW' WHERE `ID` = 1",
    "hash: $2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
    "got $argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjM0$RdescudvJCsgt3ub+b27dWRJJTmaaJObG5Yh1sKq4Vk",
    "app:$6$rounds=5000$usesomesillystri$KqJWpanXZHKq2BOB43TSaYhEWsQ1Lr5QNyPCDH/Tp.6mX0e6t1v9s2w3y4z5A6b7C8d9E0f1G2h3I4j5K6l7M8n",
    'role "app" password SCRAM-SHA-256$4096:c29tZXNhbHQxMjM0NTY3OA==$Vm0wd2QyUXlVWGxXYTFwUFZsWndNRl4bVkRBMU1R=:QWxhZGRpbjpvcGVuIHNlc2FtZSBhbmQgc29tZW1vcmU=',
)


@pytest.mark.parametrize("way", WAYS)
def test_a_session_and_a_hash_have_verdicts_of_their_own(way: str) -> None:
    with going(way) as engine:
        report = run(Options(texts={line: line for line in SESSIONS + HASHES}, cache="", engine=engine))
    found = {finding.source.removeprefix("text "): (finding.rule, finding.severity) for finding in report.findings}
    assert found == dict.fromkeys(SESSIONS, ("session-cookie", "medium")) | dict.fromkeys(
        HASHES, ("password-hash", "low")
    )
