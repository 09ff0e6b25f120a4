import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { archiveKey } from './proxmox/texts.ts'
import { answersFor, fingerprintAt, fingerprintOnScreen, openStand, type Disk, type Stand } from './stand.ts'
import { unitWith } from './window.ts'

// Every way an answer file comes in, besides the SMBIOS table of the other files. With --all only.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  const installed = async (machine: Awaited<ReturnType<Stand['start']>>): Promise<void> => {
    await machine.waitFor(/FREEHOLD-INSTALL \S+ installed/, 5400)
    await machine.poweredOff(300)
  }

  suite('an answer file', () => {
    test('on a second stick labelled FREEHOLD', async () => {
      const disk = stand.disk('STICK', 12)
      const stick = join(stand.folder, 'stick.img')
      execFileSync('truncate', ['-s', '8M', stick])
      execFileSync('mformat', ['-i', stick, '-v', 'FREEHOLD', '::'])
      writeFileSync(join(stand.folder, 'answers.yaml'), answersFor('STICK'))
      execFileSync('mcopy', ['-i', stick, join(stand.folder, 'answers.yaml'), '::answers.yaml'])
      await installed(await stand.start({ iso: { file: stand.iso, as: 'usb' }, disks: [disk], sticks: [stick] }))
    })

    test('by fw_cfg', async () => {
      const disk = stand.disk('FWCFG', 12)
      const file = join(stand.folder, 'fw-answers.yaml')
      writeFileSync(file, answersFor('FWCFG'))
      await installed(
        await stand.start({ iso: { file: stand.iso, as: 'usb' }, disks: [disk], fwCfgCredentials: { 'freehold.answers': file } }),
      )
    })

    test('by URL with a fingerprint on the kernel command line', async () => {
      const disk = stand.disk('URL', 12)
      const at = (name: string) => join(stand.folder, name)
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-subj',
          '/CN=answers',
          '-days',
          '2',
          '-keyout',
          at('key'),
          '-out',
          at('cert'),
        ],
        { stdio: 'ignore' },
      )
      const server = createServer({ key: readFileSync(at('key')), cert: readFileSync(at('cert')) }, (_, reply) =>
        reply.end(answersFor('URL')),
      )
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      try {
        for (const name of ['vmlinuz', 'initrd']) {
          const found = execFileSync('xorriso', ['-indev', stand.iso, '-find', '/live', '-name', `${name}*`], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
          })
          const inside = found.split('\n')[0]?.replaceAll("'", '') ?? ''
          execFileSync('xorriso', ['-osirrox', 'on', '-indev', stand.iso, '-extract', inside, at(name)], { stdio: 'ignore' })
        }
        const { port } = server.address() as AddressInfo
        const { fingerprint256 } = new X509Certificate(readFileSync(at('cert')))
        const machine = await stand.start({
          iso: { file: stand.iso, as: 'usb' },
          disks: [disk],
          httpsPort: await getPort({ host: '127.0.0.1' }),
          kernel: {
            linux: at('vmlinuz'),
            initrd: at('initrd'),
            append: `boot=live noeject console=ttyS0,115200 console=tty0 freehold.mode=install freehold.answers=https://10.0.2.2:${port}/a freehold.fingerprint=${fingerprint256}`,
          },
        })
        await installed(machine)
      } finally {
        server.close()
      }
    })
  })

  suite('profile proxmox', () => {
    let disk: Disk
    before(async () => {
      disk = stand.disk('PVE', 12)
      await stand.install(disk, {}, `${answersFor('PVE')}  profile: proxmox\n`)
    })

    test('without a network: the base system stands, and the machine says that it waits', async () => {
      const machine = await stand.start({ disks: [disk] })
      await machine.waitFor(/FREEHOLD-PROXMOX waiting host-name/, 1200)
      await machine.waitFor(/must be\s+[0-9A-F]{2}:/, 1200)
      assert.doesNotMatch(await machine.serial(), /FREEHOLD-PROXMOX stopped/)
      await machine.freeze()
      await machine.cut()
    })

    test('with a network on which the repository does not answer: it waits, says for what, tries again, and the wizard answers', async () => {
      const httpsPort = await getPort({ host: '127.0.0.1' })
      // QEMU offers no way out where it lets nobody out: the way to a neighbour that leads nowhere comes from here
      const way = 'while :; do ip -4 route show default | grep -q . || ip route add default via 10.0.2.2; sleep 2; done'
      const machine = await stand.start({ disks: [disk], httpsPort, noWayOut: true, credentials: unitWith('fh-way', way) })
      await machine.waitFor(/FREEHOLD-PROXMOX waiting repository/, 1800)
      // over two lines of the screen
      const words = `(repository): waiting: ${new URL(archiveKey.url).host} does not answer:`
        .replaceAll(/[().]/g, String.raw`\$&`)
        .replaceAll(' ', String.raw`\s+`)
      await machine.waitFor(new RegExp(String.raw`${words}[^]*?Type this code:\s+[0-9A-Z]{3} [0-9A-Z]{3}`), 600)
      assert.equal(await fingerprintAt(httpsPort, 300), await fingerprintOnScreen(machine, 600))
      await machine.waitFor(/(?:FREEHOLD-PROXMOX running repository\s[^]*?FREEHOLD-PROXMOX waiting repository\s[^]*?){2}/, 600)
      assert.doesNotMatch(await machine.serial(), /FREEHOLD-PROXMOX (?:stopped|\w+ kernel)/)
      await machine.cut()
    })
  })
}
