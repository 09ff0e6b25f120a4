import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import getPort from 'get-port'
import { bootTemplate, makeSeed, type BootedGuest } from '../boot.ts'

const script = resolve(import.meta.dirname, '../../scripts/build-tiny-guest.sh')

let folder: string
let guest: BootedGuest
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-tiny-'))
  const { stdout } = await promisify(execFile)(script, [], { timeout: 900_000 })
  const seedIso = await makeSeed(join(folder, 'seed.iso'))
  guest = await bootTemplate({
    image: stdout.trim(),
    seedIso,
    memoryMiB: 128,
    vcpus: 1,
    port: await getPort({ host: '127.0.0.1' }),
  })
})
after(async () => {
  await guest?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Sends a line to the console and reads until `expected` appears. */
async function onConsole(line: string, expected: RegExp): Promise<void> {
  const socket = connect(guest.serialSocket)
  const signal = AbortSignal.timeout(30_000)
  signal.addEventListener('abort', () => socket.destroy())
  socket.write(`${line}\n`)
  let seen = ''
  for await (const data of socket) {
    seen += String(data)
    if (expected.test(seen)) return
  }
  assert.fail(`console: ${JSON.stringify(seen)}`)
}

test('answers with its banner in seconds', () => assert.ok(guest.seconds < 60, String(guest.seconds)))

test('runs commands on the console and counts its boots on the disk', () => onConsole('cat /data/boots', /^1\r?$/m))

test('panics when told to', () => onConsole('panic', /Kernel panic/))
