# What the scripts that get the tests' tools share: each reads it with `.` and stands in this folder.

# The oldest Go that builds the tools, and the oldest that fetches a newer one by itself.
readonly go_wanted=26 go_self_updating=21

say() { printf 'tools/%s: %s\n' "$(basename "$0")" "$*"; }
fail() { printf "tools/$(basename "$0"): %s\n" "$@" >&2; exit 1; }
on_debian_as_root() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

apt_updated=
apt_update() {
  [[ -n $apt_updated ]] || apt-get update -qq || fail "apt-get update failed; its message is above"
  apt_updated=yes
}
apt_install() {
  apt_update
  say "installing $* by apt-get (about a minute, once)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    fail "apt-get could not install $*; its message is above"
}

# Prints the minor version of Go 1.x, nothing without Go.
go_minor() {
  command -v go >/dev/null || return 0
  local version
  version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 0
  version=${version#go1.}
  printf '%s' "${version%%[!0-9]*}"
}

# need_go WHAT: WHAT is what it builds.
need_go() {
  local minor how
  how="install Go 1.$go_wanted or newer (https://go.dev/dl)"
  minor=$(go_minor)
  if [[ -z $minor ]] && on_debian_as_root; then
    apt_update
    minor=$(apt-cache policy golang-go | sed -n 's/^ *Candidate: [0-9]*:1\.\([0-9]*\).*/\1/p')
    [[ -n $minor && $minor -ge $go_self_updating ]] ||
      fail "Go is missing, and this Debian's own (1.${minor:-?}) is too old to build $1" "$how"
    apt_install golang-go
    minor=$(go_minor)
  fi
  [[ -n $minor ]] || fail "Go is missing; it builds $1" "$how"
  if ((minor < go_wanted)); then
    ((minor >= go_self_updating)) || fail "Go 1.$minor is too old to build $1" "$how"
    say "Go 1.$minor fetches the Go 1.$go_wanted that builds $1"
    export GOTOOLCHAIN=auto
  fi
}

# here PROGRAM FROM: whether tools/bin has the program, and has it from there.
here() {
  local from=
  [[ -x bin/$1 && -f bin/.$1.from ]] && read -r from <"bin/.$1.from" && [[ $from == "$2" ]]
}

# link PROGRAM FOLDER
link() { ln -sfn "$2/$1" "bin/$1" && printf '%s\n' "$2" >"bin/.$1.from"; }
