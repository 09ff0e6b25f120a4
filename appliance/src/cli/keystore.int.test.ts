import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { spawn } from '@lydell/node-pty'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import { openKeystore } from './keystore.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const passphrase = 'four words, and ümläuts'
const weak = { scrypt: { N: 1024, r: 8, p: 1 } }

suite('a keystore v3 file', () => {
  let folder = ''
  let file = ''
  let passphraseFile = ''
  const json = encryptKeystoreJsonSync({ address: wallet.address, privateKey: wallet.privateKey }, passphrase, weak)
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-keystore-'))
    file = join(folder, 'wallet.json')
    passphraseFile = join(folder, 'passphrase')
    await writeFile(file, json)
    await writeFile(passphraseFile, `${passphrase}\n`, { mode: 0o600 })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function denied(work: Promise<unknown>, says: RegExp): Promise<void> {
    await assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof AppError)
      const told = `${error.code} ${error.title} ${error.detail} ${error.hint}`
      assert.match(told, says)
      assert.ok(!told.includes(passphrase) && !told.includes(wallet.privateKey.slice(2)), told)
      return true
    })
  }
  async function fileOf(text: string): Promise<string> {
    const at = join(folder, 'other.json')
    await writeFile(at, text)
    return at
  }

  test('denies a wrong passphrase, and says that it was that', async () => {
    const wrong = join(folder, 'wrong')
    await writeFile(wrong, 'another', { mode: 0o600 })
    await denied(openKeystore(file, wrong), /bad-input .*passphrase does not open/)
  })
  test('denies a file that is none: absent, empty, a raw key, another version, cut off, too large, changed', async () => {
    await denied(openKeystore(join(folder, 'nowhere'), passphraseFile), /could not be read/)
    for (const text of [
      '',
      wallet.privateKey,
      JSON.stringify({ privateKey: wallet.privateKey }),
      json.replace('"version":3', '"version":2'),
      json.slice(0, -9),
    ]) {
      await denied(openKeystore(await fileOf(text), passphraseFile), /is no keystore v3 file/)
    }
    await denied(openKeystore(await fileOf(json + ' '.repeat(70_000)), passphraseFile), /could not be read/)
    const changed = json.replace(/"ciphertext":"(.)/, (_, c: string) => `"ciphertext":"${c === '0' ? '1' : '0'}`)
    await denied(openKeystore(await fileOf(changed), passphraseFile), /passphrase does not open|damaged/)
    await denied(openKeystore(await fileOf('{"version":3,"crypto":{}}'), passphraseFile), /damaged|passphrase does not open/)
  })
  test('denies a raw private key in the place of the file, and never repeats it', async () => {
    const raw = wallet.privateKey
    for (const given of [raw, raw.slice(2), raw.toUpperCase(), `./${raw}`, `'${raw}'`, `${raw}\n`]) {
      await denied(openKeystore(given, passphraseFile), /bad-input .*looks like a raw private key/)
    }
  })
  test('denies a passphrase file that others may read, and one that is not there', async () => {
    await chmod(passphraseFile, 0o640)
    await denied(openKeystore(file, passphraseFile), /config-unreadable .*0600/)
    await chmod(passphraseFile, 0o600)
    await denied(openKeystore(file, join(folder, 'nowhere')), /is not there/)
  })
  test('denies where there is no terminal to ask at: standard input is never taken for it', async () => {
    const { stderr, code } = await new Promise<{ stderr: string; code: unknown }>((done) => {
      const child = execFile('setsid', ['-w', process.execPath, '-e', script(file)], (error, _, text) =>
        done({ stderr: text, code: error?.code ?? 0 }),
      )
      child.stdin?.end(`${passphrase}\n`)
    })
    assert.equal(code, 7)
    assert.match(stderr, /There is no terminal to ask at\.[\s\S]*--passphrase-file/)
  })
  test('opens with `crypto` and with `Crypto`, and signs as its address', async () => {
    for (const text of [json.replace('"Crypto"', '"crypto"'), json.replace('"crypto"', '"Crypto"')]) {
      const opened = await openKeystore(await fileOf(text), passphraseFile)
      assert.equal(opened.address, wallet.address)
      assert.equal(await opened.signText('hello'), await wallet.signMessage('hello'))
    }
  })
  test('asks at the terminal, does not show what is typed, and mends a slip of the finger', async () => {
    const pty = spawn(process.execPath, ['-e', script(file)], { cols: 200, rows: 24, name: 'xterm' })
    let screen = ''
    const exited = Promise.withResolvers<number>()
    let answered = false
    pty.onData((data) => {
      screen += data
      if (!answered && screen.includes('Passphrase of')) {
        answered = true
        pty.write(`${passphrase}x\x7f\r`)
      }
    })
    pty.onExit(({ exitCode }) => exited.resolve(exitCode))
    assert.equal(await exited.promise, 0, screen)
    assert.ok(screen.includes(wallet.address), screen)
    assert.ok(!screen.includes('four words'), 'the passphrase was shown')
  })
})

function script(file: string): string {
  const url = new URL(`file://${resolve(import.meta.dirname, 'keystore.ts')}`).href
  return `import(${JSON.stringify(url)}).then(({ openKeystore }) => openKeystore(${JSON.stringify(file)})).then(
    (w) => { console.log(w.address) },
    (e) => { console.error(e.detail, e.hint); process.exitCode = 7 })`
}
