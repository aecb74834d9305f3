export { type OciLayoutOptions, writeOciLayout } from "./image/write.ts";
