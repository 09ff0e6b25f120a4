import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'

suite('a relay between ssh and a port', () => {
  const sockets: Socket[] = []
  // keeps what was opened, also when it is told that nothing more comes: as a far end does to which no packet gets through
  const silent = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write('hello')
  })
  before(async () => {
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
  })
  after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  function relayed(port: number) {
    const url = new URL(`file://${resolve(import.meta.dirname, 'relay.ts')}`).href
    const script = `import(${JSON.stringify(url)}).then(({ relay }) => relay('127.0.0.1', ${port})).then((met) => { process.exitCode = met ? 0 : 9 })`
    return spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  }

  test('ends when who called it is gone, though the far end never ends', { timeout: 120_000 }, async () => {
    const child = relayed((silent.address() as AddressInfo).port)
    const [heard] = (await once(child.stdout, 'data')) as [Buffer]
    assert.equal(heard.toString(), 'hello')
    child.stdin.end()
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0)
  })

  test('says that nothing answers, and reads nothing of its input', { timeout: 120_000 }, async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    free.close()
    await once(free, 'close')
    const child = relayed(port)
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 9)
    child.stdin.destroy()
  })
})
