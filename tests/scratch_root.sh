#!/usr/bin/env bash
# Installs and runs EduFlow as deploy/ says, on this machine as only this process sees it: /etc, /opt, /srv and /tmp
# are scratch, and in the end everything else is read-only, as systemd's ProtectSystem=strict has it. In a mount namespace
# of its own (unshare --mount), as root.
#
#   scratch_root.sh PROJECT PYTHON RESULTS    (RESULTS: a folder; gets one file per question)
set -euo pipefail
project=$1 python=$2 results=$3
scratch=/mnt
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir "$scratch"/{project,python,results,etc}
mount --bind "$project" "$scratch/project"
mount --bind "$python" "$scratch/python"
mount --bind "$results" "$scratch/results"
results=$scratch/results
cp -a /etc/. "$scratch/etc"
mount --bind "$scratch/etc" /etc
for folder in /opt /srv; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mount -t tmpfs -o mode=1777 tmpfs /tmp
# a Python below root's own folder, which is private, is shown at its place to everybody
private=$(getent passwd 0 | cut -d: -f6)
if [[ $python == "$private"/* ]]; then mount -t tmpfs -o mode=755 tmpfs "$private"; fi
mkdir -p /opt/eduflow "$python"
[ -e "$python/bin" ] || mount --bind "$scratch/python" "$python"
mount --bind "$scratch/project" /opt/eduflow
cd /opt/eduflow

export SYSTEMD_OFFLINE=1 # what is enabled is noted; nothing is started, so --now is left out
sed -n 's/^#   \(useradd\|install\) /\1 /p' deploy/eduflow.service >"$results/commands"
while read -r line; do bash -euo pipefail -c "${line/ --now/}"; done <"$results/commands" >"$results/installing" 2>&1
readlink -f /etc/systemd/system/timers.target.wants/eduflow.timer >"$results/enabled"
systemd-analyze verify /etc/systemd/system/eduflow.service /etc/systemd/system/eduflow.timer >"$results/verify" 2>&1 || true

unit() { sed -n "s/^$1=//p" /etc/systemd/system/eduflow.service; }
for path in $(unit ReadWritePaths); do
    test -d "$path" || echo "$path"
    mount --bind "$path" "$path"
done >"$results/missing_paths"
for path in / /opt /etc /opt/eduflow; do mount -o remount,ro,bind "$path"; done
as_unit() { # a command in the unit's folder, as its user, with its umask
    (cd "$(unit WorkingDirectory)" && umask "$(unit UMask)" &&
        setpriv --reuid "$(unit User)" --regid "$(unit Group)" --clear-groups --no-new-privs \
            env -i PATH=/usr/bin:/bin HOME=/srv/eduflow LANG=C.UTF-8 EDUFLOW_LLM=off "$@")
}
cron=$(sed -n 's/^0 6 \* \* \* eduflow //p' deploy/eduflow.cron)

install -d -o eduflow -g eduflow /srv/eduflow/data/2024-02-08
install -o eduflow -g eduflow data/2024-02-08/* /srv/eduflow/data/2024-02-08/
as_unit $(unit ExecStart) >"$results/run" 2>&1 && code=0 || code=$?
echo "$code" >"$results/exit_code"
find /srv/eduflow -path '*/.eduflow/pg*' -prune -o -printf '%M %u %P\n' >"$results/files"
as_unit sh -c "$cron" >"$results/mail_good" 2>&1
printf 'student_id\n\0\0\n' >/srv/eduflow/data/students_2024-02-10.csv
as_unit sh -c "$cron" >"$results/mail_bad" 2>&1
