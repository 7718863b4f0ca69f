// The library's tables ask a CommonJS package for its default as Node does it, which esbuild makes an object of.
export { Scrollbars, Scrollbars as default } from './node_modules/react-custom-scrollbars-2/lib/index.js';
