import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'

const packaged = resolve(import.meta.dirname, 'freehold.ts')
const development = resolve(import.meta.dirname, '../dev/freehold.ts')

suite('the command freehold, given wrong input', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-cli-'))
  })
  after(async () => {
    await rm(folder, { recursive: true })
  })

  function run(entry: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const { promise, resolve: done } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
    const child = spawn(process.execPath, [entry, '--host', 'http://127.0.0.1:9', '--state', folder, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code) => done({ code: code ?? -1, stdout, stderr }))
    return promise
  }

  const rawKey = '1a'.repeat(32)
  const rows: [name: string, args: string[], code: number, says: RegExp][] = [
    ['an unknown verb', ['frobnicate'], 2, /unknown command/],
    ['a verb that is nearly right', ['plan'], 2, /Did you mean/],
    ['a missing argument', ['vm'], 2, /missing required argument 'vmId'/],
    ['a missing option', ['buy', 'Small'], 2, /required option '--for/],
    ['a duration that is none', ['buy', 'Small', '--for', '2x'], 2, /"2x" is not a duration[\s\S]*8d or 2w/],
    [
      'a host that does not answer',
      ['status'],
      3,
      /Nothing answers at http:\/\/127\.0\.0\.1:9[\s\S]*up\.sh[\s\S]*host-unreachable/,
    ],
    ['a socket that is not there', ['tasks'], 3, /admin\.sock/],
    ['a VM name with a line break and an escape', ['ssh', 'vm\r\n\x1b[2J42'], 2, /"vm\?\?\?\[2J42" is no VM/],
    ['a VM number with a line break after it', ['ssh', '42\n'], 2, /"42\?" is no VM/],
    ['a VM number written backwards', ['ssh', '\u202e42'], 2, /"\?42" is no VM/],
    ['a verb with a line break and an escape', ['pl\r\n\x1b[2Jans'], 2, /unknown command 'pl\?\?\?\[2Jans'/],
    ['a host name with a line break', ['--host', 'http://a\r\nb', 'status'], 2, /"http:\/\/a\?\?b" is no address of a host/],
    ['a host name with an escape', ['--host', 'http://a\x1b[2J', 'status'], 2, /"http:\/\/a\?\[2J" is no address of a host/],
    ['a host that is no URL', ['--host', 'nowhere', 'status'], 2, /"nowhere" is no address of a host[\s\S]*https:\/\/name/],
    ['a raw key as keystore', ['--keystore', rawKey, 'ssh', '42'], 2, /What --keystore holds looks like a raw private key/],
    [
      'a raw key as signer',
      ['--signer', `0x${rawKey}`, 'ssh-config', '42'],
      2,
      /What --signer holds looks like a raw private key/,
    ],
    ['a raw key in an option that is none', [`--private-key=0x${rawKey}`, 'plans'], 2, /unknown option '--private-key=…'/],
    ['an answer file that is not there', ['validate', '/nonexistent.yaml'], 2, /could not be read[\s\S]*config-unreadable/],
  ]
  for (const [name, args, code, says] of rows) {
    test(`T8 T9 ${name}: a clear text on stderr, nothing on stdout, its exit code`, async () => {
      const result = await run(packaged, ...args)
      assert.equal(result.code, code, result.stderr)
      assert.match(result.stderr, says)
      assert.equal(result.stdout, '')
      assert.doesNotMatch(result.stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
      assert.ok(!result.stderr.includes(rawKey), 'a key is for nobody')
      assert.doesNotMatch(result.stderr, /\n\s+at .*:\d+:\d+/, 'a stack is for nobody')
    })
  }

  test("T9 a host's words reach the terminal without control, escape and direction characters, in text and in JSON", async () => {
    const evil = 'a\x1b]0;owned\x07\x9b31m\r\n[host-trusted]\u202eb\u2066\u200f\u2028\x7f'
    const status = {
      version: evil,
      mode: 'installed',
      now: 1,
      storefront: 'closed',
      closedBecause: evil,
      chain: { chainId: 1, name: evil, rpcUrl: evil, confirmations: 1, latest: null, stale: false },
      contracts: [],
      hypervisor: { name: evil, acceleration: evil, isolation: true },
      notices: [{ code: evil, title: evil }],
    }
    const problem = {
      type: evil,
      title: evil,
      status: 409,
      detail: evil,
      instance: evil,
      code: evil,
      hint: evil,
      retryable: false,
      requestId: evil,
      errors: [{ pointer: evil, detail: evil }],
    }
    let origin = ''
    const server = createServer((request, response) => {
      const known = request.url === '/v1/status'
      response.writeHead(known ? 200 : 409, { 'content-type': 'application/json' })
      response.end(JSON.stringify(known ? { ...status, origin } : problem))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      for (const args of [['status'], ['--json', 'status'], ['plans']]) {
        const { code, stdout, stderr } = await run(packaged, '--host', origin, ...args)
        const all = stdout + stderr
        assert.equal(code, args[0] === 'plans' ? 1 : 0, all)
        assert.match(all, /owned/, 'the words did arrive')
        assert.doesNotMatch(all, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/)
        assert.doesNotMatch(all, /^\[host-trusted\]/m, 'no line is the host’s alone')
        if (args[0] === '--json') assert.equal((JSON.parse(stdout) as { version: string }).version, evil, 'JSON loses nothing')
      }
    } finally {
      server.close()
    }
  })

  test('W15 apply refuses what validate refuses, with the same lines, before any host is asked', async () => {
    const text = await readFile(resolve(import.meta.dirname, '../../../scripts/embedded.yaml'), 'utf8')
    const file = join(folder, 'wrong.yaml')
    const wrong: [from: string, to: string, says: RegExp][] = [
      ['mode: embedded', 'mode: embedded\ncolour: red', /line \d+, \/colour: this field is not known; check its spelling/],
      ['confirmations: 1', 'confirmations: many', /line \d+, \/chain\/confirmations: /],
      ['memoryMiB: 512', 'memoryMiB: 512M', /line \d+, \/plans\/0\/memoryMiB: "512M" is no number/],
      ['version: 1', 'version: 2', /line \d+, \/version: this file is of version 2.*update Freehold/],
      ['http://127.0.0.1:8545', 'http://LEFT-OUT@127.0.0.1:8545', /line \d+, \/chain\/rpcUrls\/0: a secret was left out/],
      ['version: 1', 'version: [1', /not valid YAML/],
    ]
    for (const [from, to, says] of wrong) {
      await writeFile(file, text.replace(from, to))
      // a process each: all verbs for the first, then the one that would change something
      for (const args of wrong[0]?.[1] === to ? [['validate'], ['apply', '--dry-run'], ['apply']] : [['apply']]) {
        const { code, stderr, stdout } = await run(packaged, ...args, file)
        assert.deepEqual([code, stdout], [2, ''], `${args.join(' ')}: ${stderr}`)
        assert.match(stderr, says)
        assert.match(stderr, /config-invalid/)
      }
    }
    // a file that is right is asked of the host, and there is none
    await writeFile(file, text)
    for (const args of [['apply'], ['apply', '--dry-run']]) {
      const { code, stderr } = await run(packaged, ...args, file)
      assert.equal(code, 3, stderr)
      assert.match(stderr, /admin\.sock/)
    }
    const missing = await run(packaged, 'apply', join(folder, 'nowhere.yaml'))
    assert.deepEqual([missing.code, /config-unreadable/.test(missing.stderr)], [2, true])
    const nothing = await run(packaged, 'apply')
    assert.deepEqual([nothing.code, /missing required argument 'file'/.test(nothing.stderr)], [2, true])
  })

  test('W15 validate names line, field and remedy of each mistake', async () => {
    const file = join(folder, 'answers.yaml')
    const text = await readFile(resolve(import.meta.dirname, '../../../scripts/embedded.yaml'), 'utf8')
    await writeFile(
      file,
      text.replace('confirmations: 1', 'confirmations: many').replace('mode: embedded', 'mode: embedded\ncolour: red'),
    )
    const before = await readdir(folder)
    const result = await run(packaged, 'validate', file)
    assert.equal(result.code, 2)
    assert.match(result.stderr, /line \d+, \/colour: this field is not known/)
    assert.match(result.stderr, /line \d+, \/chain\/confirmations: "many" is no number: write digits alone/)
    assert.ok(result.stderr.includes(`${file} has 2 mistakes`), 'the file is named')
    assert.deepEqual(await readdir(folder), before, 'nothing is written')
    const good = await run(packaged, 'validate', resolve(import.meta.dirname, '../../../scripts/embedded.yaml'))
    assert.equal(good.code, 0, good.stderr)
    assert.doesNotMatch(good.stderr, /warning/)
    await writeFile(file, text.replace('http://127.0.0.1:8545', 'https://rpc.example/v3/0123456789abcdef0123456789abcdef'))
    const clear = await run(packaged, 'validate', file)
    assert.equal(clear.code, 0, clear.stderr)
    assert.match(clear.stderr, /warning: .*\/chain\/rpcUrls\/0 holds a key in clear/)
    assert.doesNotMatch(clear.stderr, /0123456789abcdef/)
  })

  test('L13 the packaged command knows no development wallet and moves no clock', async () => {
    for (const args of [
      ['--dev-wallet', 'plans'],
      ['dev', 'advance', '8d'],
    ]) {
      const result = await run(packaged, ...args)
      assert.equal(result.code, 2)
      assert.match(result.stderr, /unknown (option|command)/)
    }
    assert.match((await run(development, '--help')).stdout, /--dev-wallet/)
    assert.doesNotMatch((await run(packaged, '--help')).stdout, /dev-wallet/)
  })
})
