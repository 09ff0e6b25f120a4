// Writes what the appliance imports: ABI, creation code and compiler settings of the built contracts. Nothing of them is
// linked: the libraries are internal. With --check it compares instead, so that sources and artifacts cannot drift.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Built {
  abi: unknown
  bytecode: { object: string; linkReferences: Record<string, unknown> }
  metadata: { compiler: { version: string }; settings: { optimizer: unknown; evmVersion: string; viaIR?: boolean } }
}

const here = import.meta.dirname
const artifacts = {
  'subscriptions-artifact.json': 'Subscriptions.sol/Subscriptions.json',
  'broker-registry-artifact.json': 'BrokerRegistry.sol/BrokerRegistry.json',
  'dev-token-artifact.json': 'DevToken.sol/DevToken.json',
  'signature-check-artifact.json': 'SignatureCheck.sol/SignatureCheck.json',
  // wallets of the tests of signing in
  'key-wallet-factory-artifact.json': 'ContractWallets.sol/KeyWalletFactory.json',
  'key-wallet-artifact.json': 'ContractWallets.sol/KeyWallet.json',
  'malicious-wallet-artifact.json': 'ContractWallets.sol/MaliciousWallet.json',
}

for (const [file, built] of Object.entries(artifacts)) {
  const { abi, bytecode, metadata } = JSON.parse(readFileSync(join(here, '../out', built), 'utf8')) as Built
  if (Object.keys(bytecode.linkReferences).length > 0) throw new Error(`${built} needs linking`)
  const { optimizer, evmVersion, viaIR } = metadata.settings
  const compiler = { version: metadata.compiler.version, settings: { optimizer, evmVersion, viaIR } }
  const text = `${JSON.stringify({ abi, bytecode: bytecode.object, compiler })}\n`
  const path = join(here, file)
  if (!process.argv.includes('--check')) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${file} is not what the sources give: run npm -w contracts run artifact\n`)
    process.exitCode = 1
  }
}
