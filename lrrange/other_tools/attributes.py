"""Names that users look for in lrrange and in its results, and what is there in their place."""

from lrrange.other_tools.fold import one_name_each

# What to use in place of names that other tools offer, or that users look for in the wrong place.
OF_LRRANGE: dict[str, str] = one_name_each(
    {
        "lrfinder lrfind finder find learningratefinder fastailrfinder findlearningrate": "lrrange.find_lr(model, ...)",
        "rangetest lrtest run tune tuner suggest suggestion autolr learningrate lr": "lrrange.find_lr(model, ...)",
        "findbestlr suggestlr findlr": "lrrange.find_lr(model, ...)",
        "lrrangetest": "lrrange_lightning.LRRangeTest, a callback of Lightning's; elsewhere lrrange.find_lr",
        "verifyrate": "lrrange_lightning.VerifyRate(lr)",
        "verify": "result.verify(optimizer), of the result of lrrange.find_lr",
        "rateguard": "lrrange_torch.RateGuard(optimizer, lr, steps)",
        "schedulelr": "lrrange_clr.ScheduleLR(optimizer, schedule)",
        "cyclicallr cycliclr clr": "lrrange.make_schedule(optimizer, result)",
        "onecyclelr": "lrrange.make_schedule(optimizer, result, 'one_cycle', total_steps=...)",
        "plot": "result.plot(), of the result of lrrange.find_lr",
        "save": "result.save(path), of the result of lrrange.find_lr",
        "apply": "result.apply(optimizer), of the result of lrrange.find_lr",
        "loadresult read load": "lrrange.load(path)",
        "gridsearch grid": "lrrange.grid(make, settings)",
        "optionerror": "OptionError of lrrange.errors",
        "plugins": "lrrange.list_plugins()",
        "torch pytorch": "a package of its own: import lrrange_torch",
        "lightning": "a package of its own: import lrrange_lightning",
        "trackers": "a package of its own: import lrrange_trackers",
        "tensorboardwatcher": "TensorBoardWatcher of lrrange_trackers",
        "compare": "lrrange.compare(make_run, policies, steps=...)",
    }
)

OF_RESULT: dict[str, str] = one_name_each(
    {
        "suggestion suggestedlr bestlr lrsuggestion optimallr suggestlr learningrate rate lrmin value": "result.lr",
        "answer getbestlr foundlr newlr best lropt suggest suggestlrs lrfind getlr": "result.lr",
        "suggestions": "result.answers, which has one of each heuristic",
        "valley": 'result.with_heuristic("valley").lr',
        "steep steepest getsteepestgradient": 'result.with_heuristic("steepest").lr',
        "minimum": 'result.with_heuristic("min/10").lr',
        "slide": 'result.with_heuristic("slide").lr',
        "midway": 'result.with_heuristic("midway").lr',
        "history results getresults": "result.curve.lr and result.curve.loss",
        "losses loss": "result.curve.loss",
        "lrs": "result.curve.lr",
        "smoothloss": "result.curve.smoothed",
        "minlr baselr min": "result.range.base_lr",
        "startlr": "result.plan.start_lr",
        "endlr": "result.plan.end_lr",
        "numsteps": "result.plan.num_steps",
        "maxlr max": "result.range.max_lr",
        "lower": "result.low",
        "upper": "result.high",
        "reset restore": "nothing: find_lr has put everything back",
        "applysuggestedlr update setlr": "result.apply(optimizer)",
        "show plotlrfind plotloss draw": "result.plot()",
        "todataframe dataframe todf df": "result.to_pandas()",
        "metric": "result.curve.values",
        "savefig": "result.plot().figure.savefig(path)",
        "table": "print(result)",
        "dump tojson": "result.save(path)",
        "load": "lrrange.load(path)",
        "schedule scheduler": "lrrange.make_schedule(optimizer, result)",
    }
)

OF_RANGE: dict[str, str] = one_name_each(
    {
        "min minlr low lower lo start startlr base first": "range.base_lr",
        "max high upper hi end endlr peak peaklr last maxrate": "range.max_lr",
        "lr bestlr": "result.lr",
        "apply": "lrrange.make_schedule(optimizer, result)",
    }
)

_TABLES = {"todataframe dataframe todf df asframe topolars todict history": "to_pandas() or to_csv()"}

OF_CURVE: dict[str, str] = one_name_each(
    _TABLES
    | {
        "lrs rates learningrates x": "curve.lr",
        "losses": "curve.loss",
        "y metric metrics": "curve.values",
        "smooth smoothloss smoothedloss smoothedlosses": "curve.smoothed",
        "name": "curve.quantity.name",
        "plot show": "result.plot(), of the result that has this curve",
        "suggestion": "result.lr, of the result that has this curve",
        "minimum": "curve.finite.lr[curve.lowest]",
    }
)

OF_GRID: dict[str, str] = one_name_each(
    _TABLES
    | {
        "results result items keys values settings rows": "grid.cells, each with its result",
        "lr lrs suggestions": "[cell.result.lr for cell in grid.cells]",
        "best bestparams bestlr winner": "nothing: compare the rows of print(grid)",
        "save": "grid.to_csv(path), or result.save(path) of each of its cells",
        "show": "grid.plot()",
        "apply": "grid.cells[0].result.apply(optimizer), of the cell that you choose",
    }
)

OF_COMPARISON: dict[str, str] = one_name_each(
    _TABLES
    | {
        "results trials histories curves": "comparison.runs",
        "best bestpolicy bestrun first": "comparison.winner",
        "losses scores finallosses metrics table": "print(comparison), or to_pandas()",
        "lr result": "comparison.range_test, the range test that the policies were read from",
        "show": "comparison.plot()",
    }
)
