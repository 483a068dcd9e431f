import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { NodeState } from "./features/node/NodeState";
import "./main.css";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <NodeState />
    </StrictMode>,
  );
}
