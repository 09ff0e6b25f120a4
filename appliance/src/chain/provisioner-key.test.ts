import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { encryptKeystoreJson, Transaction, Wallet } from 'ethers'
import { loadOrCreateKey } from './provisioner-key.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-key-'))
})
after(() => rm(folder, { recursive: true }))

/** With a cheap key derivation: strength is not what is tested. */
function keystoreOf({ address, privateKey }: { address: string; privateKey: string }): Promise<string> {
  return encryptKeystoreJson({ address, privateKey }, 'secret', { scrypt: { N: 2, r: 8, p: 1 } })
}

describe('denials', () => {
  for (const [name, content, mode] of [
    ['readable by others', `0x${'11'.repeat(32)}`, 0o644],
    ['readable by the group', `0x${'11'.repeat(32)}`, 0o640],
    ['empty', '', 0o600],
    ['half a key', '0x1234', 0o600],
    ['zero', `0x${'00'.repeat(32)}`, 0o600],
    ['no keystore', '{"a":1}', 0o600],
  ] as const) {
    test(`denies a file that is ${name}, and leaves it as it was`, async () => {
      const path = join(folder, name.replaceAll(' ', '-'))
      await writeFile(path, content)
      await chmod(path, mode)
      await assert.rejects(loadOrCreateKey(path), (error: Error) => {
        assert.equal((error as { code?: string }).code, 'config-unreadable')
        assert.ok(!inspect(error, { depth: 9 }).includes('1111'), 'no part of a key in the error')
        return true
      })
      assert.equal(await readFile(path, 'utf8'), content)
    })
  }

  test('denies a symbolic link', async () => {
    const path = join(folder, 'link')
    await symlink('/etc/passwd', path)
    await assert.rejects(loadOrCreateKey(path), { code: 'config-unreadable' })
  })

  test('denies a keystore without its passphrase', async () => {
    const path = join(folder, 'keystore-alone')
    await writeFile(path, await keystoreOf(Wallet.createRandom()), { mode: 0o600 })
    await assert.rejects(loadOrCreateKey(path), { code: 'config-unreadable' })
  })
})

test('makes a key once, mode 0600, also for two at a time', async () => {
  const path = join(folder, 'new/key')
  const [a, b] = await Promise.all([loadOrCreateKey(path), loadOrCreateKey(path)])
  assert.equal(a.address, b.address)
  assert.equal((await loadOrCreateKey(path)).address, a.address)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('signs, and shows nothing of itself', async () => {
  const path = join(folder, 'signing')
  const key = await loadOrCreateKey(path)
  const raw = await key.sign({
    type: 2,
    chainId: 31337,
    nonce: 0,
    to: `0x${'22'.repeat(20)}`,
    gasLimit: 21_000n,
    maxFeePerGas: 1n,
  })
  assert.equal(Transaction.from(raw).from?.toLowerCase(), key.address)
  const secret = (await readFile(path, 'utf8')).trim().slice(2)
  assert.ok(!inspect(key, { depth: 9, showHidden: true }).includes(secret) && !JSON.stringify(key).includes(secret))
})

test('reads a keystore with the passphrase beside it', async () => {
  const path = join(folder, 'keystore')
  const wallet = Wallet.createRandom()
  await writeFile(path, await keystoreOf(wallet), { mode: 0o600 })
  await writeFile(`${path}.passphrase`, 'secret\n', { mode: 0o600 })
  assert.equal((await loadOrCreateKey(path)).address, wallet.address.toLowerCase())
})
