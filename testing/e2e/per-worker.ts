/** A fixture that is started once for all tests of a worker and stopped behind them; `timeout` in milliseconds, for its start. */
export function perWorker<Stand extends { stop(): Promise<void> }>(start: () => Promise<Stand>, timeout: number) {
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
  const fixture = async ({}: object, use: (stand: Stand) => Promise<void>): Promise<void> => {
    const stand = await start()
    await use(stand)
    await stand.stop()
  }
  const options: { scope: 'worker'; timeout: number } = { scope: 'worker', timeout }
  return [fixture, options] as [typeof fixture, typeof options]
}
