import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { unpackGuestBase } from '../../appliance/src/host/update/test-guest-root.ts'
import { inputs, passed } from '../../iso/inputs.ts'

// The packages as a host gets them, in a Debian 13 root. Building them takes a minute or two: the default run does it when what is in
// them is not what last passed with an image (iso/passed.json).
const all = process.env['FREEHOLD_ALL'] === '1'
const root = resolve(import.meta.dirname, '../..')

if (!all && passed().packages === inputs().packages && passed().image === inputs().image) {
  test(
    'the packages were installed and purged',
    { skip: 'nothing in them has changed since the run that iso/passed.json names' },
    () => undefined,
  )
} else {
  let folder: string
  let debs: string[]
  before(() => {
    const built = execFileSync(join(root, 'scripts/build-deb.sh'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    debs = built.trim().split('\n')
    folder = unpackGuestBase('fh-packages-', ['debs', 'guest'])
    // a host has ours, a guest has pam-web3: they conflict
    for (const deb of debs) {
      const name = deb.split('/').at(-1) ?? ''
      cpSync(deb, join(folder, name === 'pam-web3.deb' ? 'guest' : 'debs', name))
    }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** A shell in the root, as the first process of a boot without systemd and without a network. */
  const inside = (script: string, network: 'none' | 'ours' = 'none'): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(
      'unshare',
      [
        '--mount',
        '--pid',
        ...(network === 'none' ? ['--net'] : []),
        '--fork',
        '--kill-child',
        '--propagation',
        'private',
        'sh',
        '-c',
        'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" /bin/sh -c "$1"',
        folder,
        script,
      ],
      {
        encoding: 'utf8',
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' },
        timeout: 300_000,
        maxBuffer: 64 * 2 ** 20,
      },
    )
  const installs = 'dpkg --force-depends --install /debs/*.deb'
  /** Everything but what dpkg, apt and ldconfig note for themselves, and the copies that whoever changes an account leaves. */
  const world = (): string[] =>
    execFileSync('find', ['.', '-xdev', '-not', '-path', './proc/*', '-not', '-path', './dev/*', '-not', '-path', './run/*'], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    })
      .split('\n')
      .filter(
        (path) =>
          !/^\.\/var\/(lib|cache)\/(dpkg|apt)(\/|$)|^\.\/var\/log\/(dpkg|alternatives)\.log$|^\.\/var\/log\/apt(\/|$)|^\.\/var\/cache\/ldconfig(\/|$)|^\.\/etc\/\.pwd\.lock$|^\.\/etc\/(passwd|group|shadow|gshadow)-$/.test(
            path,
          ),
      )
      .sort()
  const accounts = () =>
    ['passwd', 'group'].map((name) => readFileSync(join(folder, 'etc', name), 'utf8').match(/^freehold[^:]*/gm) ?? [])

  test('purge leaves nothing: no file, no user, no group', () => {
    const before = world()
    const made = inside(installs)
    assert.equal(made.status, 0, made.stderr)
    assert.ok(existsSync(join(folder, 'opt/freehold/bin/node')))
    assert.ok((accounts()[0]?.length ?? 0) >= 4)
    appendFileSync(join(folder, 'etc/freehold/freehold.yaml'), 'version: 1\n')
    assert.ok(
      world().some((path) => path.endsWith('deb-systemd-helper-enabled/freeholdd.service.dsh-also')),
      'no unit was enabled, so nothing of it had to go',
    )
    const purged = inside('dpkg --purge freehold-web freehold')
    assert.equal(purged.status, 0, purged.stderr)
    assert.deepEqual(
      world().filter((path) => !before.includes(path)),
      [],
    )
    assert.deepEqual(accounts(), [[], []])
  })

  test('a guest without pam-web3 is one that sshd admits people to: no setting and no stack asks for the module that is gone', () => {
    const before = world()
    const settings = ['etc/ssh/sshd_config.d/10-freehold.conf', 'etc/pam.d/freehold-sshd']
    const made = inside('dpkg --force-depends --install /guest/pam-web3.deb')
    assert.equal(made.status, 0, made.stderr)
    for (const file of settings) assert.ok(existsSync(join(folder, file)), file)
    // what the helper writes at a guest's first boot
    mkdirSync(join(folder, 'etc/freehold'), { recursive: true })
    for (const file of ['etc/freehold/user-ca.pub', 'etc/freehold/secret', 'etc/ssh/sshd_config.d/20-freehold-sources.conf'])
      writeFileSync(join(folder, file), '')
    const removed = inside('dpkg --remove pam-web3 && ! grep -rl "pam_web3\\|freehold-sshd" /etc/pam.d /etc/ssh')
    assert.equal(removed.status, 0, `${removed.stdout}${removed.stderr}`)
    for (const file of settings) assert.ok(!existsSync(join(folder, file)), `${file} outlives the module`)
    const purged = inside('dpkg --purge pam-web3')
    assert.equal(purged.status, 0, purged.stderr)
    assert.deepEqual(
      world().filter((path) => !before.includes(path)),
      [],
    )
  })

  test('a host does not take the guests’ package: its sshd would admit nobody', () => {
    const made = inside(`${installs}; dpkg --install /guest/pam-web3.deb`)
    assert.notEqual(made.status, 0)
    assert.match(made.stderr, /conflicting packages|pam-web3 conflicts with freehold/)
    assert.ok(!existsSync(join(folder, 'etc/pam.d/freehold-sshd')))
    inside('dpkg --purge pam-web3 freehold-web freehold')
  })

  test('disks that were paid for outlive a purge, with the keys that belong to them, and it says so', () => {
    inside(installs)
    mkdirSync(join(folder, 'var/lib/freehold-vm/pool'), { recursive: true })
    writeFileSync(join(folder, 'var/lib/freehold-vm/pool/one.qcow2'), 'a disk')
    const purged = inside('dpkg --purge freehold-web freehold')
    assert.match(purged.stderr, /disks of VMs are in \/var\/lib\/freehold-vm/)
    assert.ok(existsSync(join(folder, 'var/lib/freehold-vm/pool/one.qcow2')))
    assert.ok(existsSync(join(folder, 'etc/freehold/secrets')))
    rmSync(join(folder, 'var/lib/freehold-vm'), { recursive: true })
    rmSync(join(folder, 'var/lib/freehold'), { recursive: true, force: true })
    rmSync(join(folder, 'etc/freehold'), { recursive: true, force: true })
  })

  test('what is installed starts: the daemon waits to be set up as an installed host, command line, hostd, pages are whole', () => {
    const made = inside(`${installs} && freehold --version; cd /opt/freehold
      install -d -o freehold -g freehold /run/freehold
      setpriv --reuid freehold --regid freehold --init-groups env HOME=/ /opt/freehold/bin/node appliance/src/freeholdd.ts --state /var/lib/freehold > /tmp/daemon.log 2>&1 &
      for i in $(seq 900); do [ -S /var/lib/freehold/run/admin.sock ] && break; sleep 0.2; done
      /opt/freehold/bin/node -e "
        require('http').get({ socketPath: '/var/lib/freehold/run/admin.sock', path: '/v1/status', headers: { host: 'localhost' } }, (r) => {
          let t = ''; r.on('data', (d) => t += d).on('end', () => console.log('STATUS ' + t)) }).on('error', (e) => console.log(e.message))"
      freehold --state /var/lib/freehold console-screen --once
      cat /tmp/daemon.log >&2`)
    assert.match(made.stdout, /STATUS \{.*"mode":"installed"/, `${made.stdout}\n${made.stderr}`)
    assert.match(made.stdout, /Type this code:\s+[0-9A-Z]{3} [0-9A-Z]{3}/)
    assert.ok(existsSync(join(folder, 'opt/freehold-web/wizard/server.js')))
    for (const name of readdirSync(join(folder, 'usr/lib/systemd/system')).filter((one) => /^freehold.*\.service$/.test(one))) {
      const script = /^ExecStart=\/opt\/freehold\S*\/bin\/node (\/opt\/\S+)/m.exec(
        readFileSync(join(folder, 'usr/lib/systemd/system', name), 'utf8'),
      )?.[1]
      if (script !== undefined) assert.ok(existsSync(join(folder, script)), `${name}: ${script}`)
    }
  })

  if (all) {
    test('apt finds everything that they depend on, on a Debian 13 as it is', () => {
      const mirror = (kind: string) => execFileSync(join(root, 'iso/build/mirror.sh'), [kind], { encoding: 'utf8' }).trim()
      const [main, security] = [mirror('main'), mirror('security')]
      const lines = [`deb ${main} trixie main`, `deb ${main} trixie-updates main`]
      if (security !== '') lines.push(`deb ${security} trixie-security main`)
      for (const old of readdirSync(join(folder, 'etc/apt/sources.list.d'))) rmSync(join(folder, 'etc/apt/sources.list.d', old))
      writeFileSync(join(folder, 'etc/apt/sources.list'), `${lines.join('\n')}\n`)
      // the root resolves names and reaches archives as this machine does
      for (const file of ['resolv.conf', 'hosts']) {
        rmSync(join(folder, 'etc', file), { force: true })
        writeFileSync(join(folder, 'etc', file), readFileSync(join('/etc', file)))
      }
      const proxies = execFileSync('apt-config', ['dump'], { encoding: 'utf8' }).match(/^Acquire::.*proxy.*$/gim) ?? []
      writeFileSync(join(folder, 'etc/apt/apt.conf.d/99proxy'), `${proxies.join('\n')}\n`)
      const told = inside(
        'apt-get --quiet --error-on=any update && apt-get --simulate --no-install-recommends install /debs/freehold*.deb && echo ALONE && apt-get --simulate install /debs/freehold*.deb',
        'ours',
      )
      assert.equal(told.status, 0, `${told.stdout}\n${told.stderr}`)
      for (const name of ['freehold', 'freehold-web', 'caddy', 'libvirt-daemon'])
        assert.match(told.stdout, new RegExp(`^Inst ${name} `, 'm'))
      assert.doesNotMatch(told.stdout, /^Remv /m)
    })

    test('lintian finds nothing that is not overridden with a reason', () => {
      const { status, stdout, stderr, error } = spawnSync(
        'lintian',
        ['--allow-root', '--fail-on', 'error,warning', '--suppress-tags', 'bad-distribution-in-changes-file', ...debs],
        { encoding: 'utf8', timeout: 900_000 },
      )
      assert.equal(error, undefined, 'lintian is missing: apt-get install lintian')
      assert.equal(status, 0, `${stdout}\n${stderr}`)
    })
  }
}
