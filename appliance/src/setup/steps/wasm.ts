import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { noteOf } from '../undo-notes.ts'

/**
 * WASM hosting as the answers say: on an installed host the root helper writes its configuration and starts or stops its units.
 * In embedded mode the supervisor runs it. Always done again: whether the units run is not ours to see.
 */
export const wasmStep: Step<SetupContext> = {
  name: 'wasm',
  estimateSeconds: 2,
  check: async ({ host }) => host?.isolates !== true,
  async run({ answers, host }, io) {
    await host?.setWasm({ enabled: answers.wasm.enabled })
    if (answers.wasm.enabled) io.log('freehold-wasmd is on; its settings stand in /etc/freehold/wasm.yaml')
  },
  /** As the configuration of before has it; the first setup found it off. */
  async undo({ journal, host, wasEnabled }, io) {
    const before = await noteOf(journal, 'config')
    if (host?.isolates !== true || before === undefined) return
    await host.setWasm({ enabled: before !== null && wasEnabled(before) })
    io.log('freehold-wasmd is as it was before')
  },
}
