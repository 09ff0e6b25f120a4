import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../../..')

/** A copy of this machine that forgets everything: what is installed there is installed nowhere. */
const inCopy = `set -e
mount -t tmpfs none "$0"; mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
mkdir "$0/root/package"; cp "$1" "$0/root/package/broker.deb"
mount --bind /proc "$0/root/proc"; mount --bind /dev "$0/root/dev"
exec chroot "$0/root" sh -ec "$2"`

// packing Node takes a minute or two: only where there is time for it
if (process.env['FREEHOLD_ALL'] === '1') {
  suite('the package freehold-broker', () => {
    let folder = ''
    let deb = ''
    const builder = ['scripts/deb/build.ts', 'freehold-broker']
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'broker-deb-'))
      deb = (await run(process.execPath, [...builder, '--out', folder], { cwd: root, timeout: 600_000 })).stdout.trim()
    })
    after(() => rm(folder, { recursive: true, force: true }))

    const steps = async (...lines: string[]): Promise<string> => {
      const place = await mkdtemp(join(tmpdir(), 'broker-root-'))
      try {
        const argv = ['-m', 'sh', '-c', inCopy, place, deb, lines.join('\n')]
        return (await run('unshare', argv, { timeout: 300_000, maxBuffer: 2 ** 24 })).stdout
      } finally {
        await rm(place, { recursive: true, force: true })
      }
    }

    test('installs, runs its own command with its own Node, and goes: what tells who held an address stays', async () => {
      const said = await steps(
        'dpkg -i /package/broker.deb >&2',
        'stat -c "%U %a %n" /etc/freehold-broker/secrets /var/lib/freehold-broker',
        'PATH=/usr/sbin:/usr/bin:/sbin:/bin freehold-broker init --help',
        'freehold-broker init --pool 2a01:4f8:1234::/48 --endpoint 8.8.8.8:51820 --uplink lo --region eu --rpc http://127.0.0.1:1 --chain-id 1 --registry 0x0000000000000000000000000000000000000001 >&2 || true',
        'touch /var/lib/freehold-broker/broker.db',
        'dpkg -P freehold-broker >&2',
        'ls -d /opt/freehold-broker /usr/bin/freehold-broker /usr/lib/systemd/system/freehold-broker.service 2>/dev/null || echo gone',
        'ls /var/lib/freehold-broker',
      )
      assert.match(said, /freehold-broker 700 \/etc\/freehold-broker\/secrets/)
      assert.match(said, /Usage: freehold-broker init/)
      assert.match(said, /^gone$/m)
      assert.match(said, /^broker\.db$/m)
    })

    test('units and tmpfiles are read by systemd without a word', async () => {
      const said = await steps(
        'dpkg -i /package/broker.deb >&2',
        'systemd-analyze verify --man=no /usr/lib/systemd/system/freehold-broker.service 2>&1 | grep -E "Unknown|Failed to parse|not executable" || echo silent',
      )
      assert.match(said, /^silent$/m)
    })

    test('lintian finds nothing that is not overridden with a reason', async () => {
      // the distribution in the changelog is ours: packages come from a repository of our own
      const args = ['--allow-root', '--fail-on', 'error,warning', '--suppress-tags', 'bad-distribution-in-changes-file', deb]
      const { stdout } = await run('lintian', args, { timeout: 900_000, maxBuffer: 2 ** 24 }).catch(
        (error: NodeJS.ErrnoException & { stdout?: string }) => {
          if (error.code === 'ENOENT') throw new Error('lintian is missing: apt-get install lintian', { cause: error })
          return { stdout: error.stdout ?? String(error) }
        },
      )
      assert.equal(stdout, '')
    })
  })
}
