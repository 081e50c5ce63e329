# shellcheck shell=bash
# What the scripts share. Source it first: it also moves to the root of the project.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Debian keeps mosquitto in /usr/sbin, which is not on every user's PATH; rustup keeps cargo here.
PATH="$PATH:/usr/sbin:$HOME/.cargo/bin"

fail() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Where cargo puts what it builds: artefacts, logs and tools of ours go there too.
target_dir() {
	cargo metadata --locked --format-version 1 --no-deps |
		node -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).target_directory'
}

# The Chromium that the browser test drives: CHROMIUM if set, else one by its usual names.
find_chromium() {
	if [ -n "${CHROMIUM:-}" ]; then
		printf '%s\n' "$CHROMIUM"
	else
		command -v chromium || command -v chromium-browser || command -v google-chrome
	fi
}

# The folder of PostgreSQL's programs: Debian keeps those of the server out of the PATH.
find_postgres() {
	local bin
	while read -r bin; do
		if [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] && [ -x "$bin/pg_isready" ] && [ -x "$bin/psql" ]; then
			printf '%s\n' "$bin"
			return
		fi
	done < <(
		printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
		tr ':' '\n' <<<"$PATH"
	)
	return 1
}
