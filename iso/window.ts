import { gunzipSync } from 'node:zlib'

/** What a machine shows of itself while a test looks. */
export interface Window {
  /** Lines of `ss -Hltunp`: all that listens. */
  sockets: string[]
  /** Arguments of every process that was seen so far. */
  processes: string[]
}

/**
 * Credentials that give a machine a unit which nothing of the image knows (systemd.system-credentials): `script` is run by its shell
 * as root from its start on.
 */
export function unitWith(name: string, script: string): Record<string, string> {
  // as base64, so that neither systemd nor a shell reads it twice
  const encoded = Buffer.from(script).toString('base64')
  return {
    [`systemd.extra-unit.${name}.service`]: `[Unit]\nDescription=of a test\n[Service]\nExecStart=/bin/sh -c 'echo ${encoded} | base64 -d | /bin/sh'\n`,
    'systemd.unit-dropin.multi-user.target': `[Unit]\nWants=${name}.service\n`,
  }
}

/**
 * Tells memory and the key that pays every 15 s as `WINDOW total kB available kB KEY key`; once that key was there and is gone, every
 * two minutes what listens and which processes there were (`windowOf`). Only what is printed leaves it: it runs no program of ours.
 */
export const windowScript = (
  line = '/dev/ttyS0',
  key = '/var/lib/freehold/secrets/deployer.key',
  seen = '/run/fh-window-seen',
  pause = 15,
): string => `
seen=${seen}
: > "$seen"
paid= rounds=0
packed() { gzip -c | base64 -w 0; }
while :; do
  held=$(cat ${key} 2> /dev/null)
  { echo; echo WINDOW $(sed -n 's/^Mem\\(Total\\|Available\\): *//p' /proc/meminfo) KEY $held; } > ${line}
  # kernel threads have no arguments, and change their names
  { cat "$seen"; ps -ww -eo args= | grep -v '^\\['; } | sort -u > "$seen.new" && mv "$seen.new" "$seen"
  [ -z "$held" ] || paid=1
  if [ -n "$paid" ] && [ -z "$held" ]; then
    [ $((rounds % 8)) != 0 ] || { echo; echo SEEN $(ss -Hltunp | packed) $(packed < "$seen") END; } > ${line}
    rounds=$((rounds + 1))
  fi
  sleep ${pause}
done
`

/** What the window told after the first place where the serial line says that; undefined: nothing yet. */
export function windowOf(serial: string, after: RegExp): Window | undefined {
  const begin = after.exec(serial)
  if (begin === null) return undefined
  const [, sockets, processes] = /SEEN ([\w+/=]+) ([\w+/=]+) END/.exec(serial.slice(begin.index)) ?? []
  if (sockets === undefined || processes === undefined) return undefined
  const lines = (packed: string): string[] =>
    gunzipSync(Buffer.from(packed, 'base64'))
      .toString()
      .split('\n')
      .filter((line) => line !== '')
  return { sockets: lines(sockets), processes: lines(processes) }
}

/** A port that an installed host may have; the table of iso/README.md. */
interface Port {
  what: string
  at: RegExp
  /** Program, where the port says too little. */
  by?: RegExp
  /** Only sometimes there. */
  maybe?: boolean
}
const anywhere = String.raw`(?:\*|0\.0\.0\.0|\[::\])`
export const namedPorts: readonly Port[] = [
  { what: 'pages and API', at: new RegExp(`^tcp ${anywhere}:443$`), by: /^caddy$/ },
  { what: 'redirects, challenges', at: new RegExp(`^tcp ${anywhere}:80$`), by: /^caddy$/ },
  { what: "the guests' name server", at: /^udp 10\.77\.0\.1(?:%\S+)?:53$/ },
  { what: "the guests' name server", at: /^tcp 10\.77\.0\.1(?:%\S+)?:53$/ },
  { what: 'where guests ask who may log in', at: /^tcp 10\.77\.0\.1(?:%\S+)?:7443$/ },
  { what: 'DHCP client', at: /^udp \S+:68$/, by: /^systemd-network/ },
  { what: 'DHCPv6 client', at: /^udp \S+:546$/, by: /^systemd-network/, maybe: true },
  { what: 'the question for the time', at: /^udp \S+:\d{5}$/, by: /^systemd-timesyn/, maybe: true },
]

const loopback = /^\w+ (?:127\.\d+\.\d+\.\d+(?:%lo)?|\[::1\](?:%lo)?|\[::ffff:127\.\d+\.\d+\.\d+\]):\d+$/

/** Ports beyond loopback that nothing names, and named ones that are not there. */
export function unlikeNamed(sockets: readonly string[]): { unnamed: string[]; missing: string[] } {
  const open = sockets.map((line) => {
    const [protocol = '', , , , local = ''] = line.trim().split(/\s+/)
    return { at: `${protocol} ${local}`, by: /\(\("([^"]+)"/.exec(line)?.[1] ?? '' }
  })
  const beyond = open.filter(({ at }) => !loopback.test(at))
  const fits = (port: Port, one: { at: string; by: string }): boolean =>
    port.at.test(one.at) && (port.by === undefined || port.by.test(one.by))
  return {
    unnamed: beyond.filter((one) => !namedPorts.some((port) => fits(port, one))).map(({ at, by }) => `${at} ${by}`),
    missing: namedPorts
      .filter((port) => port.maybe !== true && !beyond.some((one) => fits(port, one)))
      .map(({ what, at }) => `${what} (${at.source})`),
  }
}
