"""Options and values of other tools, and what they are called here, or what to do where they have no counterpart."""

from lrrange.other_tools.fold import one_name_each

# The name here of an option of another tool. Of several, the first one that the call takes is meant.
OPTIONS: dict[str, tuple[str, ...]] = one_name_each(
    {
        # how far and how long
        "minlr startinglr initlr initiallr lrmin": ("start_lr", "base_lr"),
        "lrstart lowerlr lowlr": ("start_lr",),
        "maxlr lrmax endinglr": ("end_lr", "max_lr"),
        "stoplr finallr lrend upperlr highlr": ("end_lr",),
        "peaklr": ("max_lr",),
        "numit numiter numiters numiterations niter nsteps nit iters iterations maxiter": ("num_steps", "steps"),
        "numtraining numtrainingsteps": ("num_steps", "steps"),
        "steps": ("num_steps", "total_steps", "steps_per_half_cycle"),
        "numsteps": ("steps", "total_steps"),
        "nrounds numbatches": ("num_steps",),
        "maxsteps totalsteps": ("train_steps", "steps"),
        "numtrainsteps": ("train_steps",),
        "maxepochs": ("train_epochs", "steps"),
        "numtrainepochs": ("train_epochs",),
        "epochs nepochs": ("steps",),
        "stepmode mode": ("shape",),
        "policy": ("shape", "policies"),
        "suggestfuncs suggestfunc suggestion rule": ("heuristic",),
        "method": ("heuristic", "shape"),
        "stopdiv divergeth divergencethreshold earlystopthreshold earlystopping stopfactor": ("divergence",),
        "smoothf smooth smoothfactor beta": ("smoothing",),
        "verbose progressbar showprogress enableprogressbar": ("progress",),
        "callbacks cbs callback logger": ("watchers",),
        "randomseed randomstate rng": ("seed",),
        "numrepeats nrepeats seeds nruns runs": ("repeats",),
        # what is trained
        "opt optim optimizers optfunc": ("optimizer",),
        "criterion loss lossfunc lossfunction lossfct objective computeloss computelossfunc": ("loss_fn",),
        "trainloader loaders dataloader dataloaders traindataloader traindataloaders": ("loader", "train_dataloaders"),
        "traindl trainiter dl dls": ("loader", "train_dataloaders"),
        "loader": ("train_dataloaders",),
        "batches generator": ("loader",),
        "valloader": ("val_dataloaders",),
        "validloader validationloader valdataloader valdataloaders evalloader": ("val_loader", "val_dataloaders"),
        "testloader evaldataloader": ("val_loader", "val_dataloaders"),
        "lightningmodule plmodule net": ("model",),
        "dm datamodule": ("datamodule",),
        "ckpt checkpoint": ("ckpt_path",),
        "lrscheduler sched schedulers": ("scheduler",),
        "scaler gradscaler": ("grad_scaler",),
        "accumulationsteps gradientaccumulationsteps accumulategradbatches accumgrad gradaccum": ("accumulate",),
        "maxgradnorm gradclip clip clipgrad maxnorm gradientclipval": ("clip_norm",),
        "amp ampbackend ampconfig precision mixedprecision fp16 bf16 dtype": ("autocast",),
        "metrics metricfn computemetrics": ("metric",),
        "tosave": ("restore",),
        "memorycache cachedir": ("snapshot",),
        # the rate and its schedule
        "result": ("bounds",),
        "stepsizeup stepsize": ("steps_per_half_cycle",),
        "div": ("div_factor",),
        "finaldiv divfinal": ("final_div_factor",),
        "annealstrategy": ("anneal",),
        "pct": ("pct_start",),
        "factory": ("make", "make_run"),
        "makerun": ("make",),
        "make": ("make_run",),
        "params paramgrid": ("settings",),
        "njobs workers": ("executor",),
        "savepath filename file fname": ("path",),
        "axes": ("ax",),
        "learningrate rate newlr": ("lr",),
    }
)

# What is different about an option that has another name here.
REMARKS: dict[str, str] = one_name_each(
    {
        "stopdiv": "None never stops early",
        "divergeth earlystopthreshold divergencethreshold": "a lrrange.Divergence, or None to never stop early",
        "stepmode mode": "'exponential' or 'linear'",
        "smoothf smooth beta": "'ema', 'median' or 'none'",
        "suggestfuncs": "one name, such as 'valley'; the result has the answers of all",
        "amp precision": "a dtype, such as torch.bfloat16",
        "ampbackend": "a dtype, such as torch.bfloat16; float16 also needs grad_scaler=",
        "fp16": "torch.float16, which also needs grad_scaler=",
        "bf16": "torch.bfloat16",
        "memorycache cachedir": "'device', 'cpu' or 'disk'",
        "epochs nepochs": "optimizer steps, which are the epochs times the number of batches",
        "seeds": "a number, the first at seed=",
        "njobs workers": "a concurrent.futures.Executor",
    }
)

# Options that are the first argument here, which has no name.
FIRST_ARGUMENT: dict[str, str] = one_name_each(
    {
        "model module net network": "the model is the first argument, without a name: find_lr(model, ...)",
        "modelinit": "make the model, and give it as the first argument",
        "learn learner": "the target is the first argument, without a name",
        "trainer": "the Trainer is the first argument, without a name: find_lr(trainer, model=model)",
        "step trainingstep function": "the step is the first argument, without a name: find_lr(step, ...)",
    }
)

# What to do where there is no such option.
ADVICE: dict[str, str] = FIRST_ARGUMENT | one_name_each(
    {
        "device": "training runs where the model is. Move it before its optimizer is made: model.to(device)",
        "nonblockingtransfer": "leave it out: batches from pinned memory are moved without waiting",
        "autoreset": "leave it out: everything is put back in any case",
        "pickleprotocol logs": "leave it out",
        "updateattr": (
            "result.apply(model) or result.apply(optimizer) sets the rate; LRRangeTest does it with apply=True"
        ),
        "attrname": "result.apply(model) finds the attribute that configure_optimizers reads, and so does LRRangeTest",
        "showplot show plot returnfig": "call result.plot()",
        "suggest": "the result has it, as result.lr",
        "figname": "call result.plot() and save its figure",
        "save path": "call result.save(path)",
        "skipstart skipend skipbegin": "leave it out: the whole curve is read and drawn",
        "lr learningrate": "it is what the test looks for. start_lr= and end_lr= are the first and the last rate",
        "epochs nepochs nepoch": (
            "num_steps= is the length of the sweep in optimizer steps, and train_steps= that of your training"
        ),
        "stepsperepoch epochsize": "num_steps= is the length of the sweep in optimizer steps",
        "batchsize perdevicetrainbatchsize shuffle numworkers collatefn datacollator": "the loader has it",
        "traindataset": "give batches, as loader=DataLoader(train_dataset, batch_size=...)",
        "traindata trainset dataset data": "give batches, as loader=DataLoader(dataset, batch_size=...)",
        "evaldataset": "give batches, as val_loader=DataLoader(eval_dataset, batch_size=...)",
        "valdataset": "give batches, as val_loader=DataLoader(dataset, batch_size=...)",
        "xtrain ytrain x y": "give batches, as loader=DataLoader(TensorDataset(x, y), batch_size=...)",
        "inputs targets": "give batches, as loader=DataLoader(TensorDataset(inputs, targets), batch_size=...)",
        "imageextractor labelextractor": "give batch_form='whole' and a loss_fn(model, batch)",
        "outputtransform": "return the loss from the step",
        "params parameters": "make the optimizer of them, and give it as optimizer=",
        "weightdecay betas": "the optimizer has it",
        "momentum": "the optimizer has it; schedules take base_momentum= and max_momentum=",
        "args trainingargs": "give the parts of your training, not its arguments",
        "maxmomentum": "lrrange.one_cycle and the other schedules take it",
        "divfactor pctstart": "lrrange.one_cycle takes it",
        "executor": "lrrange.grid and lrrange.compare take it",
    }
)

# Values of other tools, such as names of a shape, a heuristic or a backend.
VALUES: dict[str, tuple[str, ...]] = one_name_each(
    {
        "exp log logarithmic geometric": ("exponential",),
        "lin": ("linear",),
        "gradient mingrad steepestgradient": ("steepest",),
        "minimum min": ("min/10",),
        "fastai": ("valley",),
        "auto default": ("midway",),
        "1cycle onecycle onecyclelr": ("one-cycle", "one_cycle"),
        "cyclic cyclical cycliclr": ("clr", "triangular2"),
        "clr": ("triangular2",),
        "suggested constant fixed": ("found",),
        "pytorch": ("torch",),
        "pl pytorchlightning lightning.pytorch": ("lightning",),
        "movingaverage": ("ema",),
        "exponential": ("ema", "exp_range"),
        "off": ("none",),
    }
)
