// npm run bench [-- --quick] [-- --only ID,ID] [-- --json]: measures, prints a table, writes bench.json.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { exitCodes, printError, printJson, say } from '@freehold/appliance/cli/output'
import { AppError } from '@freehold/appliance/errors/app-error'
import type { Bench, Row } from './row.ts'
import { brokerAtSize } from './rows/broker-at-size.ts'
import { brokerOpen } from './rows/broker-open.ts'
import { brokerThroughput } from './rows/broker-throughput.ts'
import { udpOverTcp } from './rows/udp-over-tcp.ts'
import { wireguardPeers } from './rows/wireguard-peers.ts'
import { certificateLogin } from './rows/certificate-login.ts'
import { pages } from './rows/pages.ts'
import { parallelLogins } from './rows/parallel-logins.ts'
import { daemon } from './rows/daemon.ts'
import { daemonAtSize } from './rows/daemon-at-size.ts'
import { reconcilePass } from './rows/reconcile-pass.ts'
import { shell } from './rows/shell.ts'
import { snapshot } from './rows/snapshot.ts'
import { image } from './rows/image.ts'
import { gasOfBuy } from './rows/gas-of-buy.ts'
import { proxmox } from './rows/proxmox.ts'
import { purchase } from './rows/purchase.ts'
import { templateBoot } from './rows/template-boot.ts'
import { warmStart } from './rows/warm-start.ts'
import { wasmEngine } from './rows/wasm-engine.ts'
import { wasmLarge } from './rows/wasm-large.ts'
import { wasmMemory } from './rows/wasm-memory.ts'
import { wasmSpinners } from './rows/wasm-spinners.ts'
import { wasmThroughput } from './rows/wasm-throughput.ts'
import { formatTable } from './table.ts'

const benches: readonly Bench[] = [
  templateBoot,
  purchase,
  shell,
  certificateLogin,
  parallelLogins,
  warmStart,
  snapshot,
  reconcilePass,
  proxmox,
  daemon,
  daemonAtSize,
  pages,
  gasOfBuy,
  wasmEngine,
  wasmThroughput,
  wasmLarge,
  wasmMemory,
  wasmSpinners,
  wireguardPeers,
  udpOverTcp,
  brokerAtSize,
  brokerOpen,
  brokerThroughput,
  image,
]

const help = `Usage: npm run bench -- [--quick] [--only ID,ID] [--json]

Measures, prints a table and writes bench.json (rows {name, value, unit, goal, ok}) at the top of the checkout.
Ratios are against the bare engine in the same run. Figures count on a quiet machine only.

  --quick       leave out the slow ones
  --only ID,ID  these alone
  --json        print the rows as JSON instead of the table

${benches.map((b) => `  ${b.id.padEnd(16)}${b.about}${b.slow ? ' (slow)' : ''}`).join('\n')}

Exits 1 where a goal is missed or something could not be measured; what was measured is written all the same.
`

function readArguments(): { help: boolean; json: boolean; chosen: readonly Bench[] } {
  let values: { quick?: boolean; only?: string; json?: boolean; help?: boolean }
  try {
    values = parseArgs({
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (cause) {
    throw new AppError({ code: 'bad-input', detail: (cause as Error).message, hint: 'See npm run bench -- --help', cause })
  }
  const wanted = values.only?.split(',')
  const unknown = wanted?.find((id) => !benches.some((b) => b.id === id))
  if (unknown !== undefined) {
    const known = benches.map((b) => b.id).join(', ')
    throw new AppError({ code: 'bad-input', detail: `There is no bench ${unknown}.`, hint: `There are ${known}.` })
  }
  return {
    help: values.help === true,
    json: values.json === true,
    chosen: benches.filter((b) => (wanted === undefined ? !(values.quick && b.slow) : wanted.includes(b.id))),
  }
}

async function main(): Promise<number> {
  const { help: wantsHelp, json, chosen } = readArguments()
  if (wantsHelp) {
    process.stdout.write(help)
    return exitCodes.done
  }
  const rows: Row[] = []
  let failed = false
  for (const bench of chosen) {
    say(`${bench.id}: ${bench.about}`)
    try {
      rows.push(...(await bench.run((line) => say(`  ${line}`))))
    } catch (error) {
      // one that cannot be measured does not take the others with it
      failed = true
      say(`${bench.id} could not be measured`)
      printError(error)
    }
    // after each: a long run that is ended keeps what it has
    writeFileSync(resolve(import.meta.dirname, '../../bench.json'), `${JSON.stringify(rows, null, 2)}\n`)
  }
  if (json) printJson(rows)
  else process.stdout.write(formatTable(rows))
  return failed || rows.some((r) => !r.ok) ? exitCodes.failed : exitCodes.done
}

try {
  process.exitCode = await main()
} catch (error) {
  process.exitCode = printError(error)
}
