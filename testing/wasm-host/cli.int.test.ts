import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { day } from '@freehold/appliance/chain/test-chain'
import { fromText } from 'wasmtime-node/wat'
import { startWasmHost, type WasmHostStand } from './stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'fh-wasm-cli-'))
const program = resolve(import.meta.dirname, '../../appliance/src/dev/freehold.ts')
let stand: WasmHostStand
before(async () => {
  stand = await startWasmHost({ executionSeconds: 4 })
  await stand.buy(4, 10 * day)
  const write = async (name: string, text: string) => writeFileSync(join(folder, name), await fromText(text))
  await write('double.wasm', '(module (func (export "main") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))')
  await write('long.wasm', '(module (func (export "main") (param i64) (result i64) (local.get 0)))')
  await write('trap.wasm', '(module (func (export "main") unreachable))')
  await write('spin.wasm', '(module (func (export "main") (loop br 0)))')
  writeFileSync(join(folder, 'text.wasm'), '(module)')
})
after(async () => {
  await stand.stop()
  rmSync(folder, { recursive: true })
})

interface Ran {
  code: number | null
  out: string
  err: string
}

function freehold(...args: string[]): Promise<Ran> {
  return run(['--dev-wallet', '4', ...args])
}

function run(args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [program, '--host', stand.origin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'state'), NO_COLOR: '1' },
  })
  const ran: Ran = { code: null, out: '', err: '' }
  child.stdout.on('data', (part: Buffer) => (ran.out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (ran.err += part.toString()))
  const { promise, resolve: done } = Promise.withResolvers<Ran>()
  child.once('close', (code) => done({ ...ran, code }))
  return promise
}
const file = (name: string) => join(folder, name)

suite('freehold wasm', () => {
  test('wrong input is told before anything is asked of the host: code 2, what is wrong, what to write', async () => {
    const rows = [
      [[file('text.wasm'), 'main'], /is no WebAssembly module[\s\S]*compiled first/],
      [[file('double.wasm'), 'main', 'forty'], /"forty" is no number[\s\S]*42:i64/],
      [[file('double.wasm'), 'main', '1', '--timeout', '10m'], /300 s at most/],
    ] as const
    await Promise.all(
      rows.map(async ([args, words]) => {
        const ran = await freehold('wasm', 'run', ...args)
        assert.equal(ran.code, 2, ran.err)
        assert.match(ran.err, words)
        assert.equal(ran.out, '')
      }),
    )
    const shown = file('open.key')
    writeFileSync(shown, 'whv_x')
    chmodSync(shown, 0o644)
    const [open, nobody] = await Promise.all([
      run(['wasm', 'run', file('double.wasm'), 'main', '1', '--key-file', shown]),
      run(['wasm', 'run', file('double.wasm'), 'main', '1']),
    ])
    assert.deepEqual([open.code, /can be read by others/.test(open.err)], [2, true])
    assert.deepEqual([nobody.code, /no wallet was named/.test(nobody.err)], [2, true])
  })

  test('runs a program: the result alone on stdout, gas and receipt on stderr; the key is made once and kept for its owner', async () => {
    const first = await freehold('wasm', 'run', file('double.wasm'), 'main', '21', '--receipt', file('receipt'))
    assert.deepEqual([first.code, first.out], [0, '42\n'], first.err)
    assert.match(first.err, /^\d+ gas, [\d.]+ ms; receipt \d+ checked\n$/)
    assert.equal(statSync(join(folder, 'state/freehold/cli-wasm-keys.json')).mode & 0o777, 0o600)
    const json = await freehold('--json', 'wasm', 'run', file('long.wasm'), 'main', '--', '-9223372036854775808')
    const said = JSON.parse(json.out) as { results: unknown; receipt: { status: string } }
    assert.deepEqual(said.results, [{ type: 'i64', value: '-9223372036854775808' }])
    const keys = JSON.parse((await freehold('--json', 'wasm', 'keys', 'list')).out) as unknown[]
    assert.equal(keys.length, 1)
  })

  test('verify: a receipt of the host stands in its log; an altered one is not believed', async () => {
    const good = await freehold('wasm', 'verify', file('receipt'))
    assert.equal(good.code, 0, good.err)
    assert.match(good.out, /in its log +yes, place \d+ of \d+/)
    const jws = readFileSync(file('receipt'), 'utf8').trim()
    writeFileSync(file('altered'), `${jws.slice(0, 80)}${jws[80] === 'A' ? 'B' : 'A'}${jws.slice(81)}`)
    const bad = await freehold('wasm', 'verify', file('altered'))
    assert.deepEqual([bad.code, /not signed by this host/.test(bad.err)], [1, true])
  })

  test('what goes wrong says what to do: no such function, arguments, trap, gas; a failed run leaves its receipt', async () => {
    const rows = [
      [['double.wasm', 'other', '1'], /FUNCTION_NOT_FOUND[\s\S]*It exports: main/],
      [['long.wasm', 'main', '18446744073709551616'], /INVALID_ARGUMENTS/],
      [['trap.wasm', 'main', '--receipt', file('trapped')], /ran and failed[\s\S]*WASM_TRAP/],
      [['spin.wasm', 'main'], /GAS_EXHAUSTED[\s\S]*--gas/],
    ] as const
    await Promise.all(
      rows.map(async ([[name, ...rest], words]) => {
        const ran = await freehold('wasm', 'run', '--gas', '100', file(name), ...rest)
        assert.equal(ran.code, 1, ran.err)
        assert.match(ran.err, words)
      }),
    )
    assert.match((await freehold('wasm', 'verify', file('trapped'))).out, /status +trapped/)
  })

  test('keys: made and shown once, rotated, revoked; a revoked one makes the terminal ask for another', async () => {
    const made = await freehold('wasm', 'keys', 'create', 'ci', '--for', '30d')
    assert.match(made.out, /^whv_[0-9a-f]{12}_\w{49}\n$/)
    const id = made.out.slice(4, 16)
    const rotated = await freehold('wasm', 'keys', 'rotate', id)
    assert.match(rotated.out, /^whv_/)
    const list = await freehold('wasm', 'keys', 'list')
    assert.match(list.out, new RegExp(`${id} +ci +execute verify +until `))
    assert.ok(!list.out.includes('whv_'))
    writeFileSync(file('key'), rotated.out, { mode: 0o600 })
    const used = await run(['wasm', 'run', file('double.wasm'), 'main', '4', '--key-file', file('key'), '--url', stand.wasmUrl])
    assert.equal(used.out, '8\n', used.err)
    const next = rotated.out.slice(4, 16)
    assert.equal((await freehold('wasm', 'keys', 'revoke', next)).code, 0)
    const refused = await run([
      'wasm',
      'run',
      file('double.wasm'),
      'main',
      '4',
      '--key-file',
      file('key'),
      '--url',
      stand.wasmUrl,
    ])
    assert.deepEqual([refused.code, /UNAUTHORIZED[\s\S]*wasm keys create/.test(refused.err)], [4, true])
  })

  test('a run over two seconds says that it goes on, and a host without the service that nothing answers', async () => {
    // a host that takes its time
    const server = createServer((_, answer) => void setTimeout(() => answer.writeHead(500).end('{}'), 2600).unref())
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const at = (url: string) => run(['wasm', 'run', file('double.wasm'), 'main', '1', '--key-file', file('key'), '--url', url])
    const [slow, nobody] = await Promise.all([at(`http://127.0.0.1:${port}`), at('http://127.0.0.1:9')])
    server.close()
    assert.deepEqual([slow.code, / 2 s {2}running, at most 10 s/.test(slow.err)], [1, true], slow.err)
    assert.deepEqual([nobody.code, /Nothing answers/.test(nobody.err)], [1, true], nobody.err)
  })
})
