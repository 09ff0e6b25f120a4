import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'
import { buildPages } from '@freehold/appliance/dev/builds'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'

/** All that a production build serves or runs, but for the libraries beside it. */
function builtFiles(pages: string): string[] {
  return ['wizard/.next/static', 'wizard/.next/server'].flatMap((folder) =>
    readdirSync(join(pages, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(js|html|json|rsc|css)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
}

test('L13 S2 no key and no phrase of a development wallet is in the pages as they are built', async () => {
  test.setTimeout(300_000)
  const files = builtFiles(await buildPages(() => undefined))
  expect(files.length).toBeGreaterThan(50)
  const words = Array.from({ length: 10 }, (_, i) => devWallet(i)).flatMap((wallet) => [
    wallet.privateKey.slice(2).toLowerCase(),
    wallet.mnemonic?.phrase ?? wallet.privateKey,
  ])
  const found = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    const lower = text.toLowerCase()
    return words.filter((word) => lower.includes(word.toLowerCase())).map((word) => `${file}: ${word.slice(0, 12)}…`)
  })
  expect(found).toEqual([])
})
