import assert from 'node:assert/strict'
import { test } from 'node:test'
import { walletLinks } from './wallet-links.ts'

test('S14 each link opens this very page in the browser of a wallet’s app', () => {
  const links = walletLinks('https://shop.example:8443/plans/0?days=30&step=review#pay')
  assert.deepEqual(links, [
    { name: 'MetaMask', href: 'https://link.metamask.io/dapp/shop.example:8443/plans/0?days=30&step=review#pay' },
    {
      name: 'Coinbase Wallet',
      href: 'https://go.cb-w.com/dapp?cb_url=https%3A%2F%2Fshop.example%3A8443%2Fplans%2F0%3Fdays%3D30%26step%3Dreview%23pay',
    },
    {
      name: 'Trust Wallet',
      href: 'https://link.trustwallet.com/open_url?coin_id=60&url=https%3A%2F%2Fshop.example%3A8443%2Fplans%2F0%3Fdays%3D30%26step%3Dreview%23pay',
    },
  ])
})

test('a page that only this machine can open has none', () => {
  for (const host of ['localhost:8080', 'freehold.localhost', '127.0.0.1:8080', '127.9.9.9', '[::1]:8080'])
    assert.deepEqual(walletLinks(`http://${host}/my`), [], host)
  for (const host of ['localhost.example', '10.0.0.7', '128.0.0.1'])
    assert.equal(walletLinks(`https://${host}/my`).length, 3, host)
})
