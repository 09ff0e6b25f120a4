import { spawn } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { deployBrokerRegistry } from '@freehold/contracts/broker-registry'
import { JsonRpcProvider, toQuantity, Wallet } from 'ethers'
import { initBroker } from '@freehold/appliance/broker/cli/init'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { until } from '@freehold/appliance/dev/supervisor'

// A broker as its operator runs it, in its own namespace: made by `init`, registered on the chain, Knot DNS and Caddy beside it.
const [folder = '', rpc = '', address = '', pool = ''] = process.argv.slice(2)
const zone = 'vm.example.net'
// whoever made the namespace ends what is in it
const start = (program: string, args: readonly string[], environment: Record<string, string> = {}): void =>
  void spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...environment } })
const provider = new JsonRpcProvider(rpc, 31_337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 100 })
const operator = new Wallet(devWallet(7).privateKey, provider)
const registry = await deployBrokerRegistry(operator)
const file = join(folder, 'broker.yaml')
const made = await initBroker(
  {
    file,
    pool,
    uplink: 'up0',
    endpoint: `${address}:51820`,
    region: 'stand',
    rpcUrl: rpc,
    chainId: 31_337,
    registry,
    brokerId: 0,
    onLink: false,
    zone,
    url: `https://${address}`,
    feeWei: 10n ** 12n,
    stateFolder: join(folder, 'state'),
    secretsFolder: join(folder, 'secrets'),
    runFolder: join(folder, 'run'),
  },
  async () => [address],
)
// interfaces are unique over all namespaces, since the sockets of userspace daemons are
const text = await readFile(file, 'utf8')
await writeFile(
  file,
  text.replace(/interface: wgb\b/, `interface: wgb${process.pid % 100_000}`).replace(/confirmations: \d+/, 'confirmations: 1'),
)
await (await operator.sendTransaction(made.register)).wait()
await provider.send('anvil_setBalance', [made.agent, toQuantity(10n ** 18n)])
provider.destroy()

for (const name of ['state/zones', 'state/knot', 'run/knot']) await mkdir(join(folder, name), { recursive: true })
start('knotd', ['-c', join(folder, 'knot.conf')])
const caddyfile = join(folder, 'Caddyfile')
const site = `{\n\tadmin off\n\tskip_install_trust\n\tdefault_sni ${address}\n}\n\nhttps://${address} {\n\ttls internal\n\treverse_proxy 127.0.0.1:8460\n}\n`
await writeFile(caddyfile, site)
start('caddy', ['run', '--config', caddyfile], { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder })
const authority = join(folder, 'caddy/pki/authorities/local/root.crt')
await until('the authority', 120, async () => (await readFile(authority, 'utf8').catch(() => '')) !== '')
await writeFile(join(folder, 'root.crt'), await readFile(authority))
await chmod(join(folder, 'root.crt'), 0o644)
start(process.execPath, [resolve(import.meta.dirname, '../../../appliance/src/broker/cli/main.ts'), '-c', file, 'serve'])
await until(
  'the broker to serve',
  60,
  async () => (await fetch('http://127.0.0.1:8460/v1/status').catch(() => undefined))?.ok === true,
)
console.log(`serving ${registry} ${zone}`)
