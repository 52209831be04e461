# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of images, ports, paths and keys that real Compose files hold."""

from __future__ import annotations

import re

# By the last part of the image's repository, never by its tag.
DATA_IMAGES = re.compile(
    r"postgres(ql)?(-?(ha|repmgr|contrib|fts|unit))*|postgis|pgvector|pgvecto-rs|pgvecto\.rs|timescaledb(-ha)?|paradedb"
    r"|supabase-postgres|immich-postgres|spilo(-\d+)?|mysql(-server)?|mariadb(-galera)?|percona(-server)?|mongo"
    r"|mongodb(-community-server|-atlas-local)?|redis(-stack(-server)?|-alpine)?|valkey(-bundle)?|keydb|dragonfly"
    r"|memcached|rabbitmq|kafka|cp-kafka|cp-zookeeper|zookeeper|redpanda|nats|nats-server|pulsar|activemq(-artemis)?"
    r"|emqx|eclipse-mosquitto|mosquitto|elasticsearch|opensearch|solr|meilisearch|typesense|sonic|manticore"
    r"|clickhouse(-server)?|influxdb|questdb|prometheus|loki|tempo|mimir|victoria-metrics|victoria-logs|minio|garage"
    r"|seaweedfs|rustfs|localstack|azurite|fake-gcs-server|cassandra|scylla|couchdb|couchbase|neo4j|arangodb|dgraph"
    r"|cockroach|tidb|foundationdb|surrealdb|rethinkdb|oracle-free|oracle-xe|server-mssql|mssql-server|ferretdb"
    r"|qdrant|weaviate|milvus|chroma|chromadb|etcd|consul|vault|openldap|lldap|beanstalkd|gearmand|orientdb"
    r"|documentdb|libsql-server|sqld|snuba-clickhouse|redict|kvrocks|temporal-postgres|immudb|ravendb|edgedb|gel"
)
# Where databases keep their files; whoever writes there is one, whatever its image is called.
DATABASE_PLACES = re.compile(
    r"/var/lib/(postgresql(/.*)?|mysql|mariadb|mongodb|clickhouse|rabbitmq(/.*)?|kafka(/.*)?|influxdb2?|neo4j|cassandra"
    r"|meilisearch|redis|scylla|couchdb|etcd)|/data/db|/meili_data|/qdrant/storage|/usr/share/elasticsearch/data"
    r"|/usr/share/opensearch/data|/bitnami/(postgresql|mysql|mariadb|mongodb|redis|kafka|rabbitmq)(/.*)?"
)
DATABASE_PORTS = frozenset(
    (
        *(1433, 1521, 2181, 3306, 4222, 5432, 5671, 5672, 5984, 6379, 8123, 9042, 9092, 9200, 11211, 26257, 27017),
        *(28015, 50000, 61616),
    )
)
# A database's own client, run in its image: a job that prepares it, not the database.
DATA_CLIENTS = re.compile(
    r"(^|[\s/;&|])(psql|mysql|mariadb|mongo|mongosh|redis-cli|valkey-cli|clickhouse-client|pg_dump|pg_restore"
    r"|mysqldump|pg_basebackup|kafka-topics(\.sh)?|rabbitmqadmin|cqlsh|curl|wget)(\s|$)"
)
EDGE_IMAGES = re.compile(
    r"traefik|nginx-proxy|nginx-proxy-manager|docker-gen|acme-companion|letsencrypt-nginx-proxy-companion"
    r"|docker-letsencrypt-nginx-proxy-companion|jwilder-nginx-proxy|certbot|dns-.*certbot.*|caddy-docker-proxy"
    r"|nginx-certbot|docker-nginx-certbot|swag|letsencrypt|https-portal|lego|acme\.sh|acme"
)
# A proxy where all that it does is to pass on; else what serves the site's own files.
PROXY_IMAGES = re.compile(
    r"nginx|nginx-unprivileged|caddy|caddy-l4|haproxy|haproxy-alpine|httpd|apache|envoy|openresty|angie|tengine"
)
# Images that listen on 80 where nothing else is said.
WEB_IMAGES = re.compile(r"nginx|httpd|caddy|wordpress|nextcloud|matomo|phpmyadmin|drupal|joomla|moodle|mediawiki|php")
# Does something to the engine's other containers, which are a release's own business here.
WATCHER_IMAGES = re.compile(r"watchtower|autoheal|ouroboros|diun|docker-socket-proxy|socket-proxy")
SCHEDULER = re.compile(r"(^|[^a-z])(beat|cron(tab)?s?|crond|scheduler?s?|clock|ofelia|supercronic|schedule)([^a-z]|$)")
EDGE_PORTS = frozenset((80, 443))
# Protocols of their own, which no HTTP edge passes on.
OTHER_PORTS = frozenset(
    (
        *(21, 22, 23, 25, 53, 69, 110, 123, 139, 143, 161, 389, 445, 465, 514, 554, 587, 636, 853, 873, 989, 990, 993),
        *(995, 1194, 1812, 1883, 1935, 2049, 2222, 2525, 3478, 3479, 4190, 5060, 5061, 5222, 5269, 5349, 5350),
        *(5514, 6667, 6697, 8554, 8883, 12345, 25565, 51820),
    )
)
# Mounts to which several writers at once are nothing new: what people upload, what is served, what is logged.
SHARED_PLACES = re.compile(
    r"(uploads?|media(files|_root)?|statics?(files|_root|_collected)?|public|assets|attachments|photos|images|files|logs?"
    r"|tmp|temp|cache|caches|\.cache|public_html|wp-content|html|certs?|ssl|sessions?|exports?|imports?|backups?|dumps?"
    r"|consume|model-cache|models|huggingface|storage|thumbs|thumbnails|avatars|documents)"
)
DATA_PLACES = re.compile(
    r"(data(base)?|db|uploads?|media|storage|volumes?|logs?|backups?|var|cache|postgres.*|mysql|mariadb|redis|mongo(db)?"
    r"|pgdata|library|attachments|files|tmp|state|letsencrypt|certs|acme|minio|elasticsearch|esdata)",
    re.IGNORECASE,
)
CONFIG_FILE = re.compile(
    r".*\.(conf|cnf|cfg|ini|ya?ml|json5?|toml|xml|sh|bash|sql|js|mjs|cjs|ts|py|rb|php|pl|lua|ldif|template|tmpl|tpl|j2"
    r"|html?|css|txt|md|properties|env|rules|crt|pem|key|cert|cer|der|csr|pub|list|service|hcl|acl|vcl|users|htpasswd"
    r"|gz|zip|tar|svg|png|ico|jpe?g|keytab|cron|schema|proto|edn|exs?|config|inc|map|types|passwd|yaml\.in)"
    r"|(.*/)?(Caddyfile|Procfile|Makefile|Dockerfile|crontab|htpasswd|passwd|entrypoint|nginx\.conf\..*|\.[a-z]+rc|\.env.*"
    r"|authorized_keys)",
    re.IGNORECASE,
)
CONFIG_TARGET = re.compile(
    r"/(etc|docker-entrypoint[^/]*|usr|opt/.*/(conf|config|etc)|bin|sbin|run/secrets|config)(/|$)"
)
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
PROXY_NETWORK = re.compile(r".*(proxy|traefik|nginx|caddy|edge|ingress|gateway|public|web|frontend|dokploy|coolify).*")
PROXY_LABEL = re.compile(
    r"(traefik|caddy(_\d+)?|com\.github\.(nginx-proxy|jrcs)|io\.nginx-proxy|com\.centurylinklabs\.watchtower|autoheal"
    r"|wud|diun|coolify|dokploy|swag|docker-volume-backup\.stop|com\.docker\.compose|kompose|desktop\.docker)([._].*)?"
)
# Keys of a service that are the same in the description's `runtime`.
RUNTIME_KEYS = (
    "annotations", "blkio_config", "cgroup", "cgroup_parent", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
    "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "device_cgroup_rules", "devices", "dns", "dns_opt",
    "dns_search", "domainname", "extra_hosts", "gpus", "group_add", "hostname", "init", "ipc", "logging",
    "mem_swappiness", "memswap_limit", "oom_kill_disable", "oom_score_adj", "pid", "platform", "privileged",
    "runtime", "security_opt", "shm_size", "stdin_open", "stop_signal", "storage_opt", "sysctls", "tty", "ulimits",
    "userns_mode", "uts", "working_dir",
)  # fmt: skip
# Keys that have another place in the description.
PLACED_KEYS = frozenset(
    (
        *(
            "image",
            "build",
            "command",
            "entrypoint",
            "environment",
            "volumes",
            "tmpfs",
            "ports",
            "expose",
            "healthcheck",
        ),
        *("depends_on", "deploy", "mem_limit", "mem_reservation", "cpus", "pids_limit", "user", "read_only", "cap_add"),
        *("cap_drop", "stop_grace_period", "pull_policy", "configs", "secrets", "labels", "networks", "container_name"),
        *("scale", "restart", "links", "network_mode", "profiles", "name"),
    )
)
# Resolved by Compose itself, or of no meaning to what runs.
SILENT_KEYS = frozenset(("env_file", "label_file", "extends", "attach"))
DROPPED_KEYS = {
    "develop": "what a developer's machine does when files change",
    "external_links": "",
}
REFUSED_KEYS = {
    "volumes_from": "name the volumes of the other service in this one",
    "mac_address": "an address of its own cannot be in two colours at once; leave it out",
    "credential_spec": "it is Windows's; leave it out",
    "isolation": "it is Windows's; leave it out",
    "external_links": "a container of another project is not reached by this way; give its address in environment",
    "provider": "what is no container cannot be released; run it beside the stack",
    "models": "a model runner is not part of a release; run it beside the stack and give its URL in environment",
    "post_start": 'run it in the entry point, or as a job of its own (restart: "no")',
    "pre_stop": "let the program act on stop_signal instead",
    "use_api_socket": "the engine's socket would be the app's; leave it out",
}
DEPLOY_DROPPED = {
    "placement": "there is one machine",
    "update_config": "a release has its own order",
    "rollback_config": "a release has its own way back",
    "restart_policy": "every service is restarted unless it is stopped",
    "endpoint_mode": "there is one network",
    "labels": "they are those of a swarm's service",
    "mode": "there is one machine",
}
BUILD_KEYS = frozenset(("context", "dockerfile", "target", "args", "secrets"))
BUILD_DROPPED = frozenset(
    ("cache_from", "cache_to", "no_cache", "pull", "tags", "labels", "platforms", "provenance", "sbom", "shm_size",
     "ulimits", "isolation")
)  # fmt: skip
BUILD_REFUSED = {
    "ssh": "build.secrets, or a public address in the Dockerfile, takes its place",
    "additional_contexts": "copy from a stage of the Dockerfile, or put what is needed into the context",
    "dockerfile_inline": "write it into a Dockerfile beside the Compose file",
    "network": "leave it out",
    "extra_hosts": "leave it out",
    "entitlements": "leave it out",
    "privileged": "leave it out",
}
