# Debian packages for the setups of tests and benchmarks, which source this file.

# Whichever of these packages are not installed, a line each.
missing_packages() { # missing_packages PACKAGE…
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) = installed ]] || echo "$package"
    done
}

# Installs packages, quietly.
install_packages() { # install_packages PACKAGE…
    without_starting_servers env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

# Debian's packages of servers start them at once, unless this file says no.
without_starting_servers() { # without_starting_servers COMMAND…
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e "$policy" ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}
