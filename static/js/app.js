// The console's behaviour, one module per noun.
import "./confirm.js";
import "./copy.js";
import "./csrf.js";
import "./filters.js";
import "./keyboard.js";
import "./live.js";
import "./navigation.js";
import "./once.js";
import "./palette.js";
import "./selection.js";
import "./sources.js";
import "./toasts.js";
import "./wizard.js";
