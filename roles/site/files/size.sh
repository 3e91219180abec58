# Prints how large a host is: CPUs as the kernel counts them, physical cores (0 where it does not say), memory in MiB.
printf 'cpus %s\n' "$(getconf _NPROCESSORS_ONLN)"
printf 'cores %s\n' "$(awk -F: '/^physical id/ {package = $2} /^core id/ {cores[package ":" $2] = 1}
    END {count = 0; for (core in cores) count++; print count}' /proc/cpuinfo)"
printf 'memory %s\n' "$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)"
