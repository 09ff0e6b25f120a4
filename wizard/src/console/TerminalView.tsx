'use client'
import '@xterm/xterm/css/xterm.css'
import type { Terminal } from '@xterm/xterm'
import { useEffect, useRef } from 'react'
import { withStyledElements } from './with-styled-elements.ts'

/** What the page may do with the terminal once it stands. */
export interface TerminalHandle {
  write(bytes: Uint8Array | string): void
  focus(): void
}

/**
 * A terminal that fills its box and follows its size. Keys go to the VM; Ctrl+Shift+L leaves (X12). Dark in every theme: programs
 * choose their colours for it. `label` names it for screen readers.
 */
export function TerminalView(props: {
  label: string
  onReady(handle: TerminalHandle): void
  onType(text: string): void
  onLeave(): void
}) {
  const place = useRef<HTMLDivElement>(null)
  const latest = useRef(props)
  useEffect(() => {
    latest.current = props
  })
  useEffect(() => {
    const box = place.current
    if (box === null) return undefined
    let terminal: Terminal | undefined
    let gone = false
    const resize = new ResizeObserver(() => fit())
    let fit: () => void = () => undefined
    void (async () => {
      const [{ Terminal: Made }, { FitAddon }] = await Promise.all([import('@xterm/xterm'), import('@xterm/addon-fit')])
      if (gone) return
      const made = (terminal = new Made({
        cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
        fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
        fontSize: 14,
        screenReaderMode: true,
        scrollback: 2000,
        minimumContrastRatio: 4.5,
        theme: { background: '#101218', foreground: '#e8eaf0', cursor: '#e8eaf0' },
      }))
      const sizes = new FitAddon()
      made.loadAddon(sizes)
      withStyledElements(() => made.open(box))
      made.textarea?.setAttribute('aria-label', latest.current.label)
      fit = () => sizes.fit()
      fit()
      resize.observe(box)
      made.attachCustomKeyEventHandler((event) => {
        if (!(event.ctrlKey && event.shiftKey && event.code === 'KeyL')) return true
        event.preventDefault()
        if (event.type === 'keydown') latest.current.onLeave()
        return false
      })
      made.onData((text) => latest.current.onType(text))
      made.focus()
      latest.current.onReady({ write: (bytes) => made.write(bytes), focus: () => made.focus() })
    })()
    return () => {
      gone = true
      resize.disconnect()
      terminal?.dispose()
    }
  }, [])
  return <div ref={place} className="h-[60dvh] min-h-64 w-full overflow-hidden rounded-lg border border-edge bg-[#101218] p-2" />
}
