import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { windowOf, windowScript } from './window.ts'

suite('the window into a machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fh-window-'))
  const [line, key] = [join(folder, 'line'), join(folder, 'key')]
  const server = createServer()
  before(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)))
  after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function until(said: RegExp): Promise<string> {
    for (let i = 0; i < 600; i += 1) {
      const text = readFileSync(line, 'utf8')
      if (said.test(text)) return text
      await delay(100)
    }
    throw new Error(`${String(said)} not in: ${readFileSync(line, 'utf8').slice(-2000)}`)
  }

  test('tells the key while it is there, and what listens and ran once it was there and is gone', async () => {
    writeFileSync(line, '')
    // a terminal is written on; a file would be begun anew
    const script = windowScript(line, key, join(folder, 'seen'), 1).replaceAll(`> ${line}`, `>> ${line}`)
    const shell = spawn('/bin/sh', ['-c', script], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, TMPDIR: folder },
    })
    const [word, other] = ['an-argument-4c1d', 'a-later-one-77aa']
    const early = spawn('sleep', ['60'], { argv0: word, stdio: 'ignore' })
    try {
      await until(/WINDOW \d+ kB \d+ kB KEY\n/)
      writeFileSync(key, '0xabc\n')
      assert.doesNotMatch(await until(/WINDOW \d+ kB \d+ kB KEY 0xabc\n/), /SEEN/)
      early.kill()
      const late = spawn('sleep', ['60'], { argv0: other, stdio: 'ignore' })
      rmSync(key)
      const serial = await until(/SEEN \S+ \S+ END/)
      late.kill()
      const seen = windowOf(serial, /KEY 0xabc/)
      const { port } = server.address() as AddressInfo
      assert.ok(seen !== undefined)
      assert.ok(seen.sockets.some((one) => one.includes(` 127.0.0.1:${port} `)))
      assert.ok(
        seen.processes.some((one) => one.startsWith(word)),
        'one that has ended',
      )
      assert.ok(seen.processes.some((one) => one.startsWith(other)))
      // the words around what is written are echo's, which is no process
      assert.deepEqual(
        seen.processes.filter((one) => one.includes('0xabc')),
        [],
      )
    } finally {
      early.kill()
      shell.kill()
    }
  })
})
