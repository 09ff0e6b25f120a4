import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:tls'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { freePort } from '../testing/stands/free-port.ts'
import { startMachine, type Machine } from './machine.ts'

// Boots the built image and what it installs. Run by ./scripts/test.sh --all: a build and an emulated installation are long.
if (process.env['FREEHOLD_ALL'] === '1') {
  let folder: string
  let iso: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-iso-test-'))
    iso = execFileSync(resolve(import.meta.dirname, '../scripts/build-iso.sh'), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim()
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const disk = (name: string, gib: number, serial = name) => {
    const file = join(folder, `${name}.qcow2`)
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', file, `${gib}G`])
    return { file, format: 'qcow2' as const, serial }
  }
  const answers = (serial: string) => `version: 1\ninstall:\n  disks:\n    - serial: ${serial}\n  wipe: true\n`
  const credentials = (serial: string) => ({ 'freehold.answers': answers(serial) })
  /** True while the disk is as `qemu-img create` left it. */
  const untouched = (file: string): boolean =>
    (JSON.parse(execFileSync('qemu-img', ['map', '--output=json', file], { encoding: 'utf8' })) as { data: boolean }[]).every(
      ({ data }) => !data,
    )

  suite('nothing is written', () => {
    let machine: Machine | undefined
    after(() => machine?.cut())
    for (const [what, size, wanted, code] of [
      ['the answers name another disk', 20, 'OTHER', 'disk-not-found'],
      ['the disk is too small', 1, 'SMALL', 'disk-too-small'],
    ] as const) {
      test(`${what}: the screen says so with its code`, async () => {
        const one = disk(code, size, wanted === 'OTHER' ? 'ONE' : wanted)
        machine = await startMachine({ iso: { file: iso, as: 'cd' }, disks: [one], credentials: credentials(wanted) })
        await machine.waitFor(new RegExp(`FREEHOLD-FAILED ${code}`), 400, {
          failure: /Kernel panic|FREEHOLD-INSTALL \S+ partitioned/,
        })
        await machine.cut()
        assert.ok(untouched(one.file))
      })
    }
  })

  for (const [firmware, as] of [
    ['bios', 'usb'],
    ['uefi', 'cd'],
    ['secure-boot', 'cd'],
  ] as const) {
    suite(`${firmware}, medium as ${as}`, () => {
      let machine: Machine | undefined
      after(() => machine?.cut())
      test('W1 W3 W4: installs unattended without a network, starts from the disk, and serves the wizard under the fingerprint of the screen', async () => {
        const host = disk(firmware, 12)
        machine = await startMachine({ iso: { file: iso, as }, disks: [host], firmware, credentials: credentials(firmware) })
        await machine.waitFor(/FREEHOLD-INSTALL \S+ installed/, 900)
        await machine.poweredOff(200)
        const httpsPort = await freePort()
        machine = await startMachine({ disks: [host], firmware, httpsPort })
        const [, upper = '', lower = ''] = await machine.waitFor(
          /must be\s+((?:[0-9A-F]{2}:){15}[0-9A-F]{2})\s+((?:[0-9A-F]{2}:){15}[0-9A-F]{2})/,
          600,
        )
        const screen = await machine.serial()
        assert.match(screen, /Type this code:\s+[0-9A-Z]{3} [0-9A-Z]{3}/)
        assert.match(screen, /https:\/\/10\.0\.2\.15/)
        const seen = await fingerprintAt(httpsPort)
        assert.equal(seen, `${upper}:${lower}`)
      })
    })
  }
}

function fingerprintAt(port: number): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256)
      socket.end()
    })
    socket.on('error', failed)
  })
}
