import { toString } from 'qrcode'
import { quickText, type QuickConfig } from './quick-text.ts'

/**
 * A client's configuration as text and as a QR code. Holds its private key: show it once, where it was made, and keep neither.
 * `terminal` is drawn with half blocks for a dark or light terminal, `svg` for a page.
 */
export async function exportConfig(config: QuickConfig): Promise<{ text: string; terminal: string; svg: string }> {
  const text = quickText(config)
  const options = { errorCorrectionLevel: 'L' } as const
  return {
    text,
    terminal: await toString(text, { ...options, type: 'utf8' }),
    svg: await toString(text, { ...options, type: 'svg' }),
  }
}
