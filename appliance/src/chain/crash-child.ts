// Run by provisioner.int.test.ts: activates token 1 through a node that never answers a broadcast, and is killed there.
import { systemClock } from '../clock/clock.ts'
import { openStore } from '../store/store.ts'
import { createClients } from './any-client.ts'
import { createChainReader } from './chain-reader.ts'
import { createProvisioner } from './provisioner.ts'
import { loadOrCreateKey } from './provisioner-key.ts'

const [url = '', contract = '', keyFile = '', database = ''] = process.argv.slice(2)
const clients = createClients([url])
const store = await openStore(database, { clock: systemClock })
const reader = createChainReader({ clients, chainId: 31337, contract, confirmations: 1, clock: systemClock })
const provisioner = createProvisioner({
  clients,
  reader,
  key: await loadOrCreateKey(keyFile),
  transactions: store.transactions,
  clock: systemClock,
  maxFeePerTransactionWei: 10n ** 17n,
  maxFeePerDayWei: 10n ** 18n,
})
await provisioner.activate(1n)
