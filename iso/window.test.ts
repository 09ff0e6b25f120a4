import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { unitWith, unlikeNamed, windowOf } from './window.ts'

// as ss prints them
const host = `udp UNCONN 0 0 10.77.0.1:53 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=21))
udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=17))
udp UNCONN 0 0 127.0.0.54:53 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=19))
udp UNCONN 0 0 10.0.2.15%ens3:68 0.0.0.0:* users:(("systemd-network",pid=288,fd=20))
udp UNCONN 0 0 0.0.0.0:48211 0.0.0.0:* users:(("systemd-timesyn",pid=311,fd=13))
udp UNCONN 0 0 [fe80::5054:ff:fe12:3456]%ens3:546 [::]:* users:(("systemd-network",pid=288,fd=22))
tcp LISTEN 0 4096 10.77.0.1:53 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=22))
tcp LISTEN 0 511 127.0.0.1:8462 0.0.0.0:* users:(("node-MainThread",pid=650,fd=22))
tcp LISTEN 0 511 10.77.0.1:7443 0.0.0.0:* users:(("node-MainThread",pid=600,fd=30))
tcp LISTEN 0 4096 *:80 *:* users:(("caddy",pid=700,fd=6))
tcp LISTEN 0 4096 *:443 *:* users:(("caddy",pid=700,fd=8))`.split('\n')

const without = (part: string): string[] => host.filter((line) => !line.includes(part))

test('a port that nothing names is told with its program, whatever stands beside it', () => {
  for (const [line, told] of [
    ['tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))', 'tcp 0.0.0.0:22 sshd'],
    ['tcp LISTEN 0 128 [::]:22 [::]:*', 'tcp [::]:22 '],
    ['tcp LISTEN 0 511 *:8462 *:* users:(("node-MainThread",pid=6,fd=2))', 'tcp *:8462 node-MainThread'],
    ['tcp LISTEN 0 1 10.0.2.15:5900 0.0.0.0:* users:(("qemu-system-x86",pid=6,fd=2))', 'tcp 10.0.2.15:5900 qemu-system-x86'],
    ['tcp LISTEN 0 511 0.0.0.0:7443 0.0.0.0:* users:(("node-MainThread",pid=6,fd=2))', 'tcp 0.0.0.0:7443 node-MainThread'],
    ['tcp LISTEN 0 511 *:443 *:* users:(("node-MainThread",pid=6,fd=2))', 'tcp *:443 node-MainThread'],
    ['udp UNCONN 0 0 *:443 *:* users:(("caddy",pid=700,fd=9))', 'udp *:443 caddy'],
    ['udp UNCONN 0 0 0.0.0.0:5355 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=1))', 'udp 0.0.0.0:5355 systemd-resolve'],
    ['udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("systemd-resolve",pid=310,fd=1))', 'udp 0.0.0.0:53 systemd-resolve'],
    ['udp UNCONN 0 0 0.0.0.0:41234 0.0.0.0:* users:(("node-MainThread",pid=3,fd=1))', 'udp 0.0.0.0:41234 node-MainThread'],
  ] as const)
    assert.deepEqual(unlikeNamed([...host, line]), { unnamed: [told], missing: [] })
})

test('a named port that is not there is told', () => {
  for (const [part, what] of [
    ['LISTEN 0 4096 *:443', 'pages and API'],
    [':80 ', 'redirects'],
    [':7443', 'who may log in'],
    ['udp UNCONN 0 0 10.77.0.1:53', 'name server'],
    [':68', 'DHCP client'],
  ] as const) {
    const { unnamed, missing } = unlikeNamed(without(part))
    assert.deepEqual(unnamed, [])
    assert.equal(missing.length, 1, part)
    assert.match(missing[0] ?? '', new RegExp(what))
  }
  // nothing at all was printed
  assert.equal(unlikeNamed([]).missing.length, 6)
})

test('what a host has is named; loopback is its own', () => {
  assert.deepEqual(unlikeNamed(host), { unnamed: [], missing: [] })
  for (const part of ['48211', ':546']) assert.deepEqual(unlikeNamed(without(part)), { unnamed: [], missing: [] })
})

test('the window is read after that place of the line, whole ones alone', () => {
  const packed = (text: string): string => gzipSync(text).toString('base64')
  const seen = (sockets: string): string => `\nSEEN ${packed(sockets)} ${packed('caddy run\n/sbin/init\n')} END\n`
  const serial = `${seen('early')}\nThe storefront is open at https://x${seen('first\nsecond\n')}${seen('third')}`
  assert.deepEqual(windowOf(serial, /is open/), { sockets: ['first', 'second'], processes: ['caddy run', '/sbin/init'] })
  assert.equal(windowOf(seen('early'), /is open/), undefined)
  assert.equal(windowOf(`is open ${seen('x').slice(0, -8)}`, /is open/), undefined)
})

test('a unit of a test is one that its target wants, its script untouched by systemd', () => {
  const script = `echo "$HOME %n 'x' \\\\ $(id)"`
  const credentials = unitWith('fh-window', script)
  assert.match(credentials['systemd.unit-dropin.multi-user.target'] ?? '', /^Wants=fh-window\.service$/m)
  const [, encoded = '', rest] =
    /^ExecStart=\/bin\/sh -c 'echo (\S+) (.*)'$/m.exec(credentials['systemd.extra-unit.fh-window.service'] ?? '') ?? []
  assert.equal(rest, '| base64 -d | /bin/sh')
  assert.equal(Buffer.from(encoded, 'base64').toString(), script)
})
