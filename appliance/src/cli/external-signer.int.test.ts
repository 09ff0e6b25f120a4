import assert from 'node:assert/strict'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { Wallet } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import { externalSigner, splitCommand } from './external-signer.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const secret = 'the-key-itself'

suite('a signer of the person’s own', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-signer-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** A command line that runs `code` in Node. */
  async function program(code: string): Promise<string> {
    const file = join(folder, 'my signer.mjs')
    await writeFile(file, code)
    return `${process.execPath} '${file}'`
  }
  async function denied(work: () => unknown, code: string, says: RegExp): Promise<void> {
    await assert.rejects(Promise.resolve().then(work), (error: unknown) => {
      assert.ok(error instanceof AppError)
      assert.equal(error.code, code)
      const told = `${error.title} ${error.detail} ${error.hint}`
      assert.match(told, says)
      assert.ok(!told.includes(secret) && !told.toLowerCase().includes(wallet.privateKey.slice(2)), told)
      return true
    })
  }
  const sign = async (code: string, timeoutMs?: number) =>
    await externalSigner(await program(code), wallet.address, timeoutMs).signText('line one\nline two')

  test('denies a command that no quoting closes, and an empty one', async () => {
    for (const command of ['', '   ', `sign 'open`, 'sign "open', 'sign \\', `''`]) {
      await denied(() => splitCommand(command), 'bad-input', /--signer/)
    }
  })
  test('denies a raw private key as the command or among its words, and never repeats it', async () => {
    const raw = wallet.privateKey
    for (const given of [raw, raw.slice(2), raw.toUpperCase(), `sign --private-key ${raw}`, `sign '--key=${raw.slice(2)}`]) {
      await denied(() => externalSigner(given, wallet.address), 'bad-input', /looks like a raw private key/)
    }
  })
  test('denies a missing or wrong address', async () => {
    await denied(() => externalSigner('sign', undefined), 'bad-input', /--address/)
    await denied(() => externalSigner('sign', '0x12'), 'bad-input', /no address/)
  })
  test('denies what is no signature, and never repeats it', async () => {
    for (const [output, says] of [
      ['', /printed nothing/],
      [secret, /14 characters that are no signature/],
      ['0x', /no signature/],
      ['0x123', /no signature/],
      [`0x${'zz'.repeat(65)}`, /no signature/],
      [`${'00'.repeat(65)}`, /no signature/],
      [`0x${'00'.repeat(65)}\n0x${'00'.repeat(65)}`, /no signature/],
      [`0x${'00'.repeat(10_001)}`, /no signature/],
    ] as const) {
      await denied(() => sign(`process.stdout.write(${JSON.stringify(output)})`), 'bad-input', says)
    }
  })
  test('denies an endless answer without keeping it', async () => {
    await denied(() => sign(`for (;;) process.stdout.write('0'.repeat(65536))`), 'bad-input', /no signature/)
  })
  test('denies when it fails, is not there, or gives nothing in time', async () => {
    await denied(
      () => sign(`process.stdout.write('0x${'00'.repeat(65)}'); process.exitCode = 3`),
      'process-failed',
      /ended with 3/,
    )
    await denied(() => externalSigner('/nowhere/sign', wallet.address).signText('x'), 'tool-missing', /cannot be started/)
    await denied(() => sign('setInterval(() => undefined, 1000)', 300), 'timed-out', /0\.3 s/)
  })
  test('no shell reads the command', async () => {
    const mark = join(folder, 'mark')
    await denied(() => externalSigner(`/bin/true; touch ${mark}`, wallet.address).signText('x'), 'tool-missing', /true;/)
    await denied(() => externalSigner(`/bin/echo $(touch ${mark})`, wallet.address).signText('x'), 'bad-input', /no signature/)
    await assert.rejects(access(mark))
  })
  test('denies transactions: it signs texts only', async () => {
    await denied(() => externalSigner('sign', wallet.address).signTransaction({}), 'not-supported', /texts only/)
  })
  test('splits as a shell would: blanks, quotes, backslashes', () => {
    const rows: [string, string[]][] = [
      ['ledger sign', ['ledger', 'sign']],
      [`  a  'b c'  "d \\"e\\" f" g\\ h `, ['a', 'b c', 'd "e" f', 'g h']],
      [`a ''`, ['a', '']],
      [`a"b"'c'd`, ['abcd']],
      [`a '$HOME' "\\n"`, ['a', '$HOME', '\\n']],
    ]
    for (const [command, words] of rows) assert.deepEqual(splitCommand(command), words)
  })
  test('gets the text on standard input, byte for byte, and its signature counts', async () => {
    const ethers = import.meta.resolve('ethers')
    const code = `import { Wallet } from ${JSON.stringify(ethers)}
let text = ''
for await (const chunk of process.stdin) text += chunk
console.log(await new Wallet('${wallet.privateKey}').signMessage(text))`
    assert.equal(await sign(code), await wallet.signMessage('line one\nline two'))
  })
})
